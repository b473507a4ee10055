"""Lets ``python -m sampleformer`` run the program."""

import sys

from sampleformer.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""A trained model as a web service of one's own, in three lines.

python examples/service.py runs/reviews-20260101-120000
"""

import sys

import uvicorn
from fastapi import FastAPI

from sampleformer import Predictor  # the first line
from sampleformer.serve.app import make_app  # the second


def application(run: str) -> FastAPI:
    """The application for a run folder, which any server for ASGI runs."""
    return make_app(Predictor.load(run))  # the third


if __name__ == "__main__":
    uvicorn.run(application(sys.argv[1]))

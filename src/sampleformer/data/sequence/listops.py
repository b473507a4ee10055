"""The ListOps task of the Long Range Arena, generated on this machine."""

import csv
import json
import logging
from contextlib import ExitStack
from pathlib import Path

from sampleformer.data.cache import cache_folder, make_folder, sha256, written_whole
from sampleformer.data.progress import progress_bar
from sampleformer.data.sequence.listops_generator import ListOpsGenerator, usable_processes
from sampleformer.errors import InputError

logger = logging.getLogger("sampleformer")

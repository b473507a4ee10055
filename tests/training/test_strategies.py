"""Processes that share the weights out, or the tokens, train as one does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sampleformer.models import Model
from sampleformer.training import RunFolder
from sampleformer.training.run_folder import read_checkpoint
from tests.training.ranks import Ranks
from tests.training.shares import step, steps
from tests.training.small import text_recipe, write_clouds, write_graphs, write_texts
from tests.training.test_processes import STEPS, _assert_close, _last, _train, _with
from tests.training.test_run import StopAt

SIZES = (2, 4)

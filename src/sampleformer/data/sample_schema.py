"""Samples in memory that are mappings: the columns that they must have, as a check and as JSON Schema."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sampleformer.data.inputs import Inputs
from sampleformer.errors import InputError, nearest, shown
from sampleformer.tables.memory import PATH, is_frame


def check_mappings(samples: Any, inputs: Inputs, described_by: Sequence[str]) -> None:
    """Raises InputError if a mapping lacks a column; in a table with others it would be an empty field.

    Args:
        samples: Samples in memory, of which not all need to be mappings.
        inputs: What turns samples into tokens.
        described_by: Columns that describe a sample beside its tokens.
    """
    if is_frame(samples) or not isinstance(samples, list | tuple | np.ndarray):
        return
    mappings = [(position, sample) for position, sample in enumerate(samples) if isinstance(sample, Mapping)]
    needed = {*inputs.row_schema, *described_by} if mappings else set()
    for position, sample in mappings:
        if not needed <= sample.keys():
            name = min(needed - sample.keys())
            found = f"column {shown(name)} is missing; {nearest(name, map(str, sample))}"
            raise InputError(f"{PATH}: sample {position}: {found}")


def sample_schema(inputs: Inputs, described_by: Sequence[str]) -> dict[str, Any]:
    """JSON Schema of one sample, where it comes as JSON; empty: anything.

    Args:
        inputs: What turns samples into tokens.
        described_by: Columns that describe a sample beside its tokens, so that samples must be mappings of columns.
    """
    alone, columns = inputs.value_schema, inputs.row_schema
    if not columns:
        return alone
    described = {name: {"type": ["number", "string", "null"]} for name in described_by}
    needed = [*columns, *(name for name in described if name not in columns)]
    row = {"type": "object", "required": needed, "properties": {**described, **columns}}
    return row if described else {"anyOf": [alone, row]}

"""The page of `sampleformer explain`: which tokens each head chose in the samples of a file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sampleformer.data.encoding import Encoding
from sampleformer.data.progress import progress_bar
from sampleformer.data.samples import Samples
from sampleformer.errors import InputError, nearest
from sampleformer.explain.explanation import Explanation, explain
from sampleformer.explain.faithfulness import Deletions
from sampleformer.explain.faithfulness_figure import NOTHING
from sampleformer.explain.gallery import gallery, model_words
from sampleformer.explain.html import escape, page
from sampleformer.explain.side_by_side import Pair, side_by_side
from sampleformer.files import write_text
from sampleformer.models import Model, ModelSettings
from sampleformer.output_paths import check_output
from sampleformer.tables.format import TableFormat
from sampleformer.training.run_folder import RunFolder


def write_page(
    run_folder: RunFolder | str | os.PathLike[str],
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    samples: int = 10,
    beside: RunFolder | str | os.PathLike[str] | None = None,
    ids: tuple[str, str] | None = None,
    deletions: Deletions | None = None,
    on_error: str = "stop",
    format: TableFormat | None = None,
    force: bool = False,
    trust_code: bool = False,
) -> Path:
    """Writes one self-contained HTML page that shows which tokens each head chose in the first rows of a file.

    Args:
        run_folder: of a finished training.
        path: a file with the columns that the model was trained on. Where its label columns can be read, the truth
            stands beside each prediction.
        output: the page.
        samples: rows to show.
        beside: Another finished training, whose model's choices stand beside those of the first.
        ids: Names of two samples of the file that are shown beside each other, in the place of the first rows.
        deletions: How chosen tokens are deleted to see what that costs. None: they are not.
        on_error: ``stop`` at a wrong row, or ``skip`` and count it.
        format: how the file is written, where it is another way than the training data.
        force: overwrite the output.
        trust_code: Whether the run folder may name classes outside this package, see `TokenModel.from_pretrained`.

    Returns:
        The page's path.

    Raises:
        InputError: if the run, the file or a row of it cannot be used, the page exists or cannot be written, or
            samples and runs are both to be compared.
    """
    target = Path(output)
    check_output(target, force=force, inputs=[path])
    if samples < 1:
        raise InputError(f"samples: found {samples}, expected at least 1")
    if beside is not None and ids is not None:
        raise InputError("beside, ids: found both, expected one: two runs beside each other, or two samples")
    readers = [_Reader(run, path, on_error, format, trust_code) for run in (run_folder, beside) if run is not None]
    file = Path(path).name
    if ids is not None:
        title, body = f"Two samples of {file}", _two_samples(readers[0], ids, deletions)
    elif beside is not None:
        title, body = f"What two models chose in {file}", _two_models(readers[0], readers[1], samples, deletions)
    else:
        title, body = f"What the model chose in {file}", _one_model(readers[0], samples, deletions)
    write_text(target, page(title, f"<h1>{escape(title)}</h1>\n{body}"))
    return target


def _one_model(reader: _Reader, samples: int, deletions: Deletions | None) -> str:
    shown = reader.explained(range(min(samples, len(reader.rows))), deletions)
    lead = f"<p class='lead'>Shown: {_part(len(shown), len(reader.rows))} of the file's samples. {reader.words}</p>\n"
    return lead + reader.note + _nothing(shown, deletions) + gallery(shown, reader.settings)


def _two_models(first: _Reader, second: _Reader, samples: int, deletions: Deletions | None) -> str:
    """The first rows that both could read."""
    places = dict(zip(_keys(second.rows), range(len(second.rows)), strict=True))
    common = [(place, places[key]) for place, key in enumerate(_keys(first.rows)) if key in places]
    if not common:
        raise InputError(f"beside: {second.name} reads no sample of the file that {first.name} reads, expected some")
    kept = common[:samples]
    left = first.explained([place for place, _ in kept], deletions)
    right = second.explained([place for _, place in kept], deletions)
    names = (first.name, second.name) if first.name != second.name else (f"{first.name} (1)", f"{second.name} (2)")
    pairs = [
        Pair(f"Sample {number} (id {one.id})", one, other, names)
        for number, (one, other) in enumerate(zip(left, right, strict=True), start=1)
    ]
    lead = f"<p class='lead'>Shown: {_part(len(pairs), len(common))} of the file's samples.</p>\n"
    models = f"<p>{first.words}</p>\n<p>{second.words}</p>\n"
    body = side_by_side(pairs, [first.settings, second.settings])
    return lead + models + first.note + _nothing([*left, *right], deletions) + body


def _two_samples(reader: _Reader, ids: tuple[str, str], deletions: Deletions | None) -> str:
    named = {id: place for place, id in reversed(list(enumerate(reader.rows.ids)))}
    if ids[0] == ids[1]:
        raise InputError(f"ids: found {ids[0]!r} twice, expected two samples")
    for id in ids:
        if id not in named:
            raise InputError(f"ids: the file has no sample {id!r}; {nearest(id, named)}")
    shown = reader.explained([named[id] for id in ids], deletions)
    pair = Pair("Beside each other", shown[0], shown[1], (f"Sample {ids[0]}", f"Sample {ids[1]}"))
    lead = f"<p class='lead'>{reader.words}</p>\n"
    return lead + reader.note + _nothing(shown, deletions) + side_by_side([pair], [reader.settings])


def _nothing(shown: Sequence[Explanation], deletions: Deletions | None) -> str:
    """A note where tokens were to be deleted and nowhere could be."""
    return NOTHING if deletions is not None and not any(one.faithfulness for one in shown) else ""


def _part(shown: int, of: int) -> str:
    return f"the first {shown:,} of {of:,}" if shown < of else f"all {of:,}"


def _keys(rows: Samples) -> list[tuple[str, int]]:
    """What tells the samples of a file apart, should some have one name: it, and how often it was there before."""
    seen: Counter[str] = Counter()
    keys = []
    for id in rows.ids:
        keys.append((id, seen[id]))
        seen[id] += 1
    return keys


class _Reader:
    """A trained model and the samples of a file as it reads them."""

    def __init__(
        self,
        run_folder: RunFolder | str | os.PathLike[str],
        path: str | os.PathLike[str],
        on_error: str,
        format: TableFormat | None,
        trust_code: bool,
    ) -> None:
        run = run_folder if isinstance(run_folder, RunFolder) else RunFolder(run_folder)
        self.name = run.path.name
        self.model: Model
        self.model, self.encoding = run.read_trained(trust_code=trust_code)
        if not self.model.main.attends:
            raise InputError(
                f"{run.path}: its model {self.model.name!r} attends to no tokens, so there is no choice to show"
            )
        self.settings: ModelSettings = self.model.main.settings
        self.rows, self.note = _read(self.encoding, path, on_error, format)

    @property
    def words(self) -> str:
        """The model in a few words, as HTML."""
        return f"Model: <b>{escape(self.name)}</b>, {escape(model_words(self.settings))}."

    def explained(self, places: Sequence[int], deletions: Deletions | None) -> list[Explanation]:
        """Explanations of some samples."""
        found = []
        with progress_bar(f"explaining {self.name}", len(places)) as show:
            for done, place in enumerate(places, start=1):
                found.append(explain(self.model, self.encoding, self.rows[place], deletions=deletions))
                show(done)
        return found


def _read(
    encoding: Encoding, path: str | os.PathLike[str], on_error: str, format: TableFormat | None
) -> tuple[Samples, str]:
    """The samples, with their truth if it can be read; otherwise a note that says why not."""
    try:
        return encoding.read(path, targets=True, on_error=on_error, format=format), ""
    except InputError as error:
        rows = encoding.read(path, targets=False, on_error=on_error, format=format)
        reason = str(error).partition(";")[0]
        return rows, f"<p class='note'>The true answers are not shown: {escape(reason)}.</p>\n"

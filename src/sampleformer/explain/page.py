"""The page of `sampleformer explain`: which tokens each head chose in the samples of a file."""

import os
from pathlib import Path

from sampleformer.data.encoding import Encoding
from sampleformer.data.samples import Samples
from sampleformer.errors import InputError
from sampleformer.explain.explanation import explain
from sampleformer.explain.gallery import gallery, model_words
from sampleformer.explain.html import escape, page
from sampleformer.files import check_output, write_text
from sampleformer.models import TokenModel
from sampleformer.tables.format import TableFormat
from sampleformer.training.run_folder import RunFolder


def write_page(
    run_folder: RunFolder | str | os.PathLike[str],
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    samples: int = 10,
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
        on_error: ``stop`` at a wrong row, or ``skip`` and count it.
        format: how the file is written, where it is another way than the training data.
        force: overwrite the output.
        trust_code: Whether the run folder may name classes outside this package, see `TokenModel.from_pretrained`.

    Returns:
        The page's path.

    Raises:
        InputError: if the run, the file or a row of it cannot be used, or the page exists or cannot be written.
    """
    target = Path(output)
    check_output(target, force=force, inputs=[path])
    if samples < 1:
        raise InputError(f"samples: found {samples}, expected at least 1")
    run = run_folder if isinstance(run_folder, RunFolder) else RunFolder(run_folder)
    model, encoding = run.read_trained(trust_code=trust_code)
    if not isinstance(model.main, TokenModel):
        raise InputError(f"{run.path}: its model {model.name!r} attends to no tokens, so there is no choice to show")
    rows, note = _read(encoding, path, on_error, format)
    shown = [explain(model, encoding, rows[index]) for index in range(min(samples, len(rows)))]
    title = f"What the model chose in {Path(path).name}"
    part = f"the first {len(shown):,} of {len(rows):,}" if len(shown) < len(rows) else f"all {len(rows):,}"
    lead = (
        f"<h1>{escape(title)}</h1>\n<p class='lead'>Shown: {part} of the file's samples. "
        f"Model: <b>{escape(run.path.name)}</b>, {escape(model_words(model.main.settings))}.</p>\n"
    )
    write_text(target, page(title, lead + note + gallery(shown, model.main.settings)))
    return target


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

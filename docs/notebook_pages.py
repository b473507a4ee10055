"""Puts the notebooks of examples/notebooks into the page that asks for them: a hook of mkdocs."""

import json
import re
from pathlib import Path
from typing import Any

NOTEBOOKS = Path(__file__).parent.parent / "examples" / "notebooks"
_ASKED = re.compile(r"^<!-- notebook: (\w+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """A page's text with the cells of each notebook in the place of the line that names it."""
    return _ASKED.sub(lambda found: as_markdown(NOTEBOOKS / f"{found[1]}.ipynb"), markdown)


def as_markdown(path: Path) -> str:
    """The cells of a notebook: its words one heading deeper, its code as blocks."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join(_cell(cell["cell_type"], "".join(cell["source"])) for cell in cells)


def _cell(kind: str, text: str) -> str:
    return f"```python\n{text}\n```" if kind == "code" else re.sub(r"^#", "##", text, flags=re.MULTILINE)

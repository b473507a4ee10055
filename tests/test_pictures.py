"""The pictures of the documentation are drawn by the layers, and show what they say."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
ROUNDING = 1e-6


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_picture_is_drawn_and_shown(pictures: ModuleType, tmp_path: Path) -> None:
    pictures.main(tmp_path)
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert len(drawn) == len(pictures.PICTURES)
    page = (ROOT / "docs" / "pictures.md").read_text(encoding="utf-8")
    for name in drawn:
        assert f"(images/{name})" in page
        assert (ROOT / "docs" / "images" / name).stat().st_size < 100_000


def test_samsa_reads_what_its_heads_chose_and_full_attention_reads_all(pictures: ModuleType) -> None:
    attention = pictures.samsa()
    others = ~np.eye(pictures.TOKENS, dtype=bool)
    _, selection = attention(pictures.Tokens(pictures.example()), return_selection=True)
    chosen = np.isin(np.arange(pictures.TOKENS), selection.indices[0].numpy())
    assert ((pictures.readers(attention) > ROUNDING) == (chosen & others)).all()
    full = pictures.FullAttention(pictures.WIDTH, pictures.HEADS).double().eval()
    assert (pictures.readers(full)[others] > ROUNDING).all()

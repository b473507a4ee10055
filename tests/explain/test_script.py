"""The page's script in a real browser, on machines that have one."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sampleformer.explain.gallery import gallery
from sampleformer.explain.html import page
from tests.explain.test_views import explanation, settings

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Picks every layer and head in turn and writes down what the page then shows.
PICKS = """<script>(() => {
  const [layer, head] = document.querySelectorAll(".choose select");
  const set = (box, value) => { box.value = value; box.dispatchEvent(new Event("change", { bubbles: true })); };
  const found = {};
  let levels = null;
  const canvas = document.querySelector("canvas");
  if (canvas) canvas.addEventListener("levels", (event) => { levels = event.detail; });
  const state = () => ({
    levels: levels || [...document.querySelectorAll(".nodes > *"), ...document.querySelectorAll(".edges > *")]
      .map((mark) => +mark.style.getPropertyValue("--level")),
    seen: [...document.querySelectorAll(".nodes > *"), ...document.querySelectorAll(".edges > *")]
      .map((mark) => +getComputedStyle(mark).opacity > 0),
    title: (document.querySelector(".nodes title") || {}).textContent,
    words: document.querySelector(".view").textContent,
  });
  for (const l of ["0", "1", "pooling", ""]) {
    set(layer, l);
    if (!head.disabled) set(head, "");  // it stays as it was
    found[`${l}-`] = state();
    if (l !== "0" && l !== "1") continue;
    for (const h of ["0", "1"]) { set(head, h); found[`${l}-${h}`] = state(); }
  }
  const output = document.createElement("pre");
  output.id = "found";
  output.textContent = JSON.stringify(found);
  document.body.append(output);
})();</script></body>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("kind", ["molecule", "graph", "cloud"])
def test_picking_a_layer_and_a_head_shows_their_choice(tmp_path: Path, kind: str) -> None:
    chosen = np.random.default_rng(3).random((2, 2, 5)) < 0.5
    shown = explanation(kind, chosen)
    path = tmp_path / "page.html"
    path.write_text(page("page", gallery([shown], settings())).replace("</body>", PICKS), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run([str(BROWSER), *flags, path.as_uri()], capture_output=True, text=True, check=False)
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match, done.stderr
    found = json.loads(html.unescape(match[1]))
    expected: dict[str, np.ndarray] = {"-": chosen.sum(axis=(0, 1)), "pooling-": shown.pooling}
    for layer in range(2):
        expected[f"{layer}-"] = chosen[layer].sum(axis=0)
        expected |= {f"{layer}-{head}": chosen[layer, head] for head in range(2)}
    assert found.keys() == expected.keys()
    for view, strengths in expected.items():
        levels = strengths / strengths.max()
        assert found[view]["levels"] == pytest.approx(levels.tolist(), abs=1e-6), view
        if kind != "cloud":
            assert found[view]["seen"] == (levels > 0).tolist(), view
    number = int(chosen[1, 0].sum())
    assert found["1-0"]["words"] == f"Layer 2, head 1: chose {number} of 5 {found['1-0']['words'].split(' of 5 ')[1]}"
    if kind == "molecule":
        assert found["1-0"]["title"] == f"atom 0 (C): {'chosen' if chosen[1, 0, 0] else 'not chosen'}"
        assert found["pooling-"]["title"] == "atom 0 (C): weight 50.0\N{NO-BREAK SPACE}%"

"""The page on which a model is tried."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import Any

_HINTS = {
    "text": "A text.",
    "smiles": "A molecule as SMILES, such as CCO.",
    "numbers": "Numbers between commas, in the order of the columns of the training.",
    "pixels": "Whole numbers between commas, in the order of the columns of the training.",
    "cloud": "Points as JSON: [[x, y, z], …].",
    "graph": 'A graph as JSON: {"x": [[…], …], "edge_index": [[…], […]]}.',
}


def page(about: Mapping[str, Any]) -> str:
    """The page as HTML, which needs nothing beside it.

    Args:
        about: What ``GET /health`` says of the model.

    Example:
        >>> "A molecule as SMILES" in page({"samples": "smiles", "task": "classification"})
        True
    """
    kind = str(about["samples"])
    values = {
        "%TASK%": html.escape(str(about["task"])),
        "%HINT%": html.escape(_HINTS.get(kind, "A sample as JSON.")),
        "%KIND%": json.dumps(kind).replace("<", "\\u003c"),
    }
    text = _PAGE
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text


_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>sampleformer</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
textarea { width: 100%; box-sizing: border-box; min-height: 9rem; font: inherit; padding: .5rem; }
button { font: inherit; padding: .4rem 1.2rem; margin: .6rem 0; }
table { border-collapse: collapse; width: 100%; }
td { padding: .2rem .5rem; overflow-wrap: anywhere; }
td.bar { width: 50%; }
td.bar div { background: #4a5fc1; height: .8rem; }
#error { color: #a00; }
@media (prefers-color-scheme: dark) { body { background: #1a1a1e; color: #ddd; } #error { color: #f88; } }
</style>
<h1>Try the model</h1>
<form id="form">
<label for="sample">%HINT% Task: %TASK%.</label>
<textarea id="sample" autofocus required></textarea>
<button>Predict</button>
</form>
<p id="error" role="alert"></p>
<table id="answer" aria-live="polite"></table>
<script>
const kind = %KIND%;
const byId = name => document.getElementById(name);
function read(text) {
  if (kind === "text") return text;
  if (kind === "smiles") return text.trim();
  if (kind === "numbers" || kind === "pixels") {
    return text.split(/[,;\\s]+/).filter(part => part !== "").map(Number);
  }
  return JSON.parse(text);
}
function show(answer) {
  for (const [name, value] of Object.entries(answer)) {
    const row = byId("answer").insertRow();
    row.insertCell().textContent = name;
    const shown = Array.isArray(value) ? value.slice(0, 200).join(", ") : value;
    row.insertCell().textContent = typeof shown === "number" ? shown.toPrecision(4) : shown;
    const bar = row.insertCell();
    bar.className = "bar";
    if (name.startsWith("probability_") && typeof value === "number") {
      const filled = document.createElement("div");
      filled.style.width = 100 * value + "%";
      bar.append(filled);
    }
  }
}
byId("form").addEventListener("submit", async event => {
  event.preventDefault();
  byId("error").textContent = "";
  byId("answer").replaceChildren();
  try {
    const body = JSON.stringify({sample: read(byId("sample").value)});
    const response = await fetch("predict", {method: "POST", headers: {"Content-Type": "application/json"}, body});
    const found = await response.json();
    if (found.error) byId("error").textContent = found.error; else show(found.answer);
  } catch (error) {
    byId("error").textContent = error.message;
  }
});
</script>
</html>
"""

"""The specification of a service, OpenAPI 3.1: what its model takes and gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sampleformer import __version__
from sampleformer.data.encoding import Encoding
from sampleformer.serve.bodies import EXPLAIN
from sampleformer.serve.settings import ServeSettings
from sampleformer.serve.uploads import FORM

_REFUSALS = {
    "400": "The body is no JSON, or no form.",
    "408": "The body did not come in time.",
    "413": "The body is too large, or holds too many samples.",
    "422": "No sample could be answered; the line says which and why.",
    "500": "The model failed; the log of the service says how.",
    "503": "Too many requests at a time, or the answer took too long.",
}
_TEXTS = {"type": "array", "items": {"type": "string"}}
_COUNT = {"type": "integer", "minimum": 0}
_INFLUENCES = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name", "changes"],
        "properties": {"name": {"type": "string"}, "changes": {"type": "array", "items": {"type": "number"}}},
    },
}
_EXPLANATION = {
    "type": "object",
    "description": "What the heads of all layers chose of the sample, and what other parts of the model say of it.",
    "required": ["tokens", "edges", "layers", "heads", "chosen", "nothing", "pooling", "outputs", "unit"],
    "properties": {
        "unit": {"type": "string", "description": "What one token is called."},
        "tokens": {**_TEXTS, "description": "What each token shows; of a graph its nodes."},
        "edges": {
            "type": ["array", "null"],
            "items": {"type": "array", "items": _COUNT},
            "description": "Two nodes of each edge of a graph.",
        },
        "layers": _COUNT,
        "heads": {**_COUNT, "description": "Heads of one layer."},
        "chosen": {
            "type": "array",
            "items": _COUNT,
            "description": "How many heads of all layers chose each token; in a graph of each node, then of each edge.",
        },
        "nothing": {**_COUNT, "description": "How often a head chose a learned extra token."},
        "pooling": {
            "type": ["array", "null"],
            "items": {"type": "number"},
            "description": "Weight of each token in the answer, in the order of `chosen`.",
        },
        "outputs": {**_TEXTS, "description": "Names of the raw outputs that `changes` are of."},
        "descriptors": {**_INFLUENCES, "description": "Descriptors of the sample that moved an output most."},
        "words": {**_INFLUENCES, "description": "Runs of words that moved an output most."},
        "html": {"type": "string", "description": "A page that shows all this, which needs nothing beside it."},
    },
}
_ANSWER = {
    "type": "object",
    "description": "Columns that `sampleformer predict` writes; or `error`, what is wrong with the sample.",
    "properties": {"explanation": {"$ref": "#/components/schemas/Explanation"}},
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "description": "One line."},
        "answers": {"type": "array", "items": {"$ref": "#/components/schemas/Answer"}},
    },
}
_HEALTH = {
    "type": "object",
    "required": ["status", "version", "samples", "task", "level", "labels", "columns", "files", "explains"],
    "properties": {
        "status": {"const": "ok"},
        "version": {"type": "string"},
        "samples": {"type": "string", "description": "Kind of the samples."},
        "columns": {**_TEXTS, "description": "Columns of the tokens where a sample is a mapping of columns."},
        "described_by": {**_TEXTS, "description": "Columns that a mapping must have beside these."},
        "layout": {"type": ["array", "null"], "items": _COUNT, "description": "Rows and columns of an image."},
        "highest": {"type": ["integer", "null"], "description": "Highest level of a pixel of an image."},
        "files": {**_TEXTS, "description": "What the names of files end in that can be sent."},
        "explains": {"type": "boolean", "description": "Whether answers can have explanations."},
        "task": {"type": "string"},
        "level": {"enum": ["sample", "token", "pair"]},
        "labels": _TEXTS,
    },
}


def specification(encoding: Encoding, settings: ServeSettings, *, explains: bool) -> dict[str, Any]:
    """The specification as JSON.

    Args:
        encoding: Encoding of the model, which says what a sample is.
        settings: Limits.
        explains: Whether answers can have explanations.
    """
    schemas = {
        "Sample": encoding.sample_schema,
        "Answer": _ANSWER,
        "Error": _ERROR,
        "Explanation": _EXPLANATION,
        "Health": _HEALTH,
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "sampleformer", "version": __version__, "description": "A trained model behind HTTP."},
        "paths": {
            "/predict": {"post": _predict(encoding, settings, explains)},
            "/health": {"get": _got("What the model reads and answers", "application/json", _of("Health"))},
            "/metrics": {"get": _got("Numbers for Prometheus", "text/plain", {"type": "string"})},
            "/": {"get": _got("A page to try the model", "text/html", {"type": "string"})},
        },
        "components": {"schemas": schemas},
    }


def _predict(encoding: Encoding, settings: ServeSettings, explains: bool) -> dict[str, Any]:
    bodies = {"application/json": {"schema": _json_body(settings, explains)}}
    if encoding.file_suffixes:
        bodies[FORM] = {"schema": _form(encoding, explains)}
    answers = {
        "anyOf": [
            {"type": "object", "required": ["answer"], "properties": {"answer": _of("Answer")}},
            {
                "type": "object",
                "required": ["answers"],
                "properties": {"answers": {"type": "array", "items": _of("Answer"), "minItems": 1}},
            },
        ]
    }
    return {
        "summary": "Predictions for one sample or many",
        "operationId": "predict",
        "requestBody": {"required": True, "content": bodies},
        "responses": {
            "200": _response("An answer for each sample, or what is wrong with it.", "application/json", answers),
            **{status: _response(words, "application/json", _of("Error")) for status, words in _REFUSALS.items()},
        },
    }


def _json_body(settings: ServeSettings, explains: bool) -> dict[str, Any]:
    bodies = [
        _body("sample", _of("Sample"), list(EXPLAIN) if explains else [False]),
        _body("samples", _several(settings.max_samples), [False]),
    ]
    if explains:
        most = min(settings.max_explained, settings.max_samples)
        bodies.append(_body("samples", _several(most), list(EXPLAIN[1:]), required=["explain"]))
    return {"oneOf": bodies}


def _several(most: int) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "maxItems": most, "items": _of("Sample")}


def _body(name: str, schema: Mapping[str, Any], allowed: list[Any], required: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [name, *required],
        "properties": {name: schema, "explain": {"enum": allowed}},
        "additionalProperties": False,
    }


def _form(encoding: Encoding, explains: bool) -> dict[str, Any]:
    words = f"Files of samples, whose names end in {', '.join(encoding.file_suffixes)}."
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    allowed = ["false", "true", "html"] if explains else ["false"]
    return {
        "type": "object",
        "required": ["file"],
        "properties": {
            "file": {"type": "array", "minItems": 1, "items": file, "description": words},
            "explain": {"enum": allowed},
        },
        "additionalProperties": False,
    }


def _got(summary: str, kind: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": _response(summary + ".", kind, schema)}}


def _response(words: str, kind: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {kind: {"schema": schema}}}


def _of(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}

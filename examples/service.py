"""A trained model as a web service of one's own, in three lines.

python examples/service.py runs/reviews-20260101-120000
"""

import sys

import uvicorn
from fastapi import FastAPI

from sampleformer import Predictor
from sampleformer.serve.app import make_app  # the first line, beside the one above
from sampleformer.serve.settings import ServeSettings


def application(run: str) -> FastAPI:
    """The application for a run folder, which any server for ASGI runs."""
    predictor = Predictor.load(run)  # the second
    return make_app(predictor, ServeSettings(max_samples=16))  # the third


if __name__ == "__main__":
    uvicorn.run(application(sys.argv[1]))

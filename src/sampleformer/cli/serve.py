"""The verb ``serve``."""

import argparse

from sampleformer.cli.parser import add_common, add_trust
from sampleformer.extras import require
from sampleformer.serve.settings import ServeSettings
from sampleformer.settings import validate
from sampleformer.training import Predictor

EXAMPLE = """
sampleformer serve runs/reviews-20260101-120000
curl localhost:8000/predict --json '{"samples": ["Great view.", "Cold soup."]}'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, where it is served, and limits."""
    limits = ServeSettings()
    parser.add_argument("folder", metavar="RUN", help="a run folder")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0: all of this machine")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (8000); 0: a free one")
    parser.add_argument(
        "--wait",
        type=float,
        default=limits.wait,
        metavar="MS",
        help=f"milliseconds in which requests are collected for one pass ({limits.wait:g}); 0: each goes alone",
    )
    parser.add_argument(
        "--batch", type=int, default=limits.batch, metavar="N", help=f"samples of a full pass ({limits.batch})"
    )
    for name, metavar, words in (
        ("bytes", "N", "largest body of a request"),
        ("samples", "N", "most samples of a request"),
        ("explained", "N", "most samples of a request for explanations"),
        ("seconds", "S", "longest time of a request"),
        ("waiting", "N", "most requests at a time"),
    ):
        default = getattr(limits, f"max_{name}")
        parser.add_argument(
            f"--max-{name}", type=type(default), default=default, metavar=metavar, help=f"{words} ({default:,})"
        )
    add_trust(parser)
    add_common(parser)


def run(options: argparse.Namespace) -> None:
    """Says where, and answers requests."""
    settings = validate(ServeSettings, {name: getattr(options, name) for name in ServeSettings.model_fields}, "serve")
    for package in ("fastapi", "uvicorn"):
        require(package, "serve")
    from sampleformer.serve.server import address_of, listen, serve  # needs these packages

    predictor = Predictor.load(options.folder, device=options.device, trust_code=options.trust_code)
    with listen(options.host, options.port) as listening:
        print(f"{options.folder} is served at {address_of(listening)} until Ctrl-C", flush=True)
        serve(predictor, listening, settings)

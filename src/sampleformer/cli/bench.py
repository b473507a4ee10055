"""The verb ``bench``."""

import argparse

from sampleformer.bench import clouds, convergence, estimators, kernels, parts, shards, speed
from sampleformer.cli.parser import add_example

ACTIONS = {
    "speed": (
        speed,
        "time and memory of one layer against the number of tokens",
        "sampleformer bench speed --attentions samsa,full --lengths 1024,4096,16384 --json speed.json --plot speed.png",
    ),
    "parts": (
        parts,
        "time and memory of SFT's score and YOSO's mixing, beside what they take the place of",
        "sampleformer bench parts --parts score,mixing --json parts.json",
    ),
    "kernels": (
        kernels,
        "time and memory of Triton kernels on a GPU, beside their plain twins and full attention",
        "sampleformer bench kernels --dtypes bfloat16,float32 --json kernels.json --plot kernels.png",
    ),
    "clouds": (
        clouds,
        "point clouds a second of whole models, beside PointNet and DGCNN",
        "sampleformer bench clouds --models samsa,pointnet,dgcnn --points 1024 --json clouds.json --plot clouds.png",
    ),
    "shards": (
        shards,
        "time, memory and bytes sent of one layer whose tokens several ranks share",
        "sampleformer bench shards --attentions samsa,all-gather --ranks 2,4 --json shards.json --plot shards.png",
    ),
    "convergence": (
        convergence,
        "how near sampled YOSO comes to its expectation, against the number of hashes",
        "sampleformer bench convergence --json convergence.json --plot convergence.png",
    ),
    "estimators": (
        estimators,
        "how well each estimator of a hard choice's gradient trains, with seeds and standard errors",
        "sampleformer bench estimators --parts bias,task --json estimators.json --plot estimators.png",
    ),
}
EXAMPLE = "\n".join(example for _, _, example in ACTIONS.values())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (module, title, example) in ACTIONS.items():
        action = actions.add_parser(name, help=title, allow_abbrev=False)
        add_example(action, example)
        module.add_arguments(action)


def run(options: argparse.Namespace) -> None:
    """Measures."""
    ACTIONS[options.action][0].run(options)

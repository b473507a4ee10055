"""Generates ListOps expressions as the Long Range Arena does (arXiv 2011.04006, section 2.2.1; arXiv 1804.06028)."""

import hashlib
import itertools
import os
import random
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from sampleformer.errors import InputError

OPERATORS = ("[MIN", "[MAX", "[MED", "[SM")
CLOSE = "]"
VALUES = tuple("0123456789")
VALUE_PROBABILITY = 0.75

_ATTEMPTS_PER_CHUNK = 5_000
_FRUITLESS_CHUNKS = 50


class _TooLong(Exception):
    """The expression being generated has reached the maximum length, so it will not be kept."""


@dataclass(frozen=True)
class ListOpsGenerator:
    """Random nested expressions such as ``[MAX 2 9 [MIN 4 7 ] 0 ]`` with their values.

    A node is a value with probability 0.75, and always at the depth limit; otherwise an operator, each with the same
    probability, with 2 to `max_arguments` arguments. ``MED`` is the median cut to an integer, ``SM`` the sum modulo 10.
    The length counts operators, values and closing brackets. (The Long Range Arena's files hold the same expressions
    with round brackets around each binary node; its tokenizer drops them.)

    Args:
        min_length, max_length: only expressions strictly longer and strictly shorter than these are kept.
        max_depth: depth of the deepest node; the root has depth 1.
        max_arguments: the largest number of arguments of an operator.
        seed: chunk c of the attempts has its own generator, seeded with (seed, c), so that the expressions do not
            depend on the number of processes.

    Raises:
        InputError: if no expression can satisfy the limits.
    """

    min_length: int = 500
    max_length: int = 2000
    max_depth: int = 10
    max_arguments: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_length < self.min_length + 2:
            raise InputError(
                f"max_length: found {self.max_length}, expected at least min_length + 2 = {self.min_length + 2}"
            )
        for name, smallest in (("min_length", 0), ("max_depth", 1), ("max_arguments", 2)):
            if getattr(self, name) < smallest:
                raise InputError(f"{name}: found {getattr(self, name)}, expected at least {smallest}")

    def chunk(self, index: int) -> list[tuple[str, int]]:
        """The expressions kept from one chunk of attempts, with their values; duplicates are still among them."""
        uniform = random.Random(f"{self.seed} {index}").random
        kept = []
        for _ in range(_ATTEMPTS_PER_CHUNK):
            words: list[str] = []
            try:
                value = self._node(1, words, uniform)
            except _TooLong:
                continue
            if self.min_length < len(words) < self.max_length:
                kept.append((" ".join(words), value))
        return kept

    def _node(self, depth: int, words: list[str], uniform: Callable[[], float]) -> int:
        """Appends one random node to the words and returns its value."""
        if len(words) >= self.max_length:
            raise _TooLong
        if depth == self.max_depth or uniform() < VALUE_PROBABILITY:
            value = int(uniform() * 10)
            words.append(VALUES[value])
            return value
        operator = OPERATORS[int(uniform() * 4)]
        words.append(operator)
        count = 2 + int(uniform() * (self.max_arguments - 1))
        arguments = [self._node(depth + 1, words, uniform) for _ in range(count)]
        words.append(CLOSE)
        return apply(operator, arguments)

    def distinct(self, workers: int = 1) -> Generator[tuple[str, int], None, None]:
        """Expressions without duplicates, in an order that does not depend on the number of processes.

        Args:
            workers: number of processes.

        Raises:
            InputError: if the limits leave (almost) no new expressions.
        """
        seen: set[bytes] = set()
        fruitless = 0
        with closing(self._chunks(workers)) as chunks:
            for chunk in chunks:
                before = len(seen)
                for expression, value in chunk:
                    digest = hashlib.blake2b(expression.encode(), digest_size=16).digest()
                    if digest not in seen:
                        seen.add(digest)
                        yield expression, value
                fruitless = fruitless + 1 if len(seen) == before else 0
                if fruitless == _FRUITLESS_CHUNKS:
                    raise InputError(
                        f"listops: found only {len(seen)} different expressions with {self}; "
                        "expected limits that leave more (a wider range of lengths, more depth or arguments)"
                    )

    def _chunks(self, workers: int) -> Generator[list[tuple[str, int]], None, None]:
        """Chunk 0, 1, 2, … without end; with several processes a few are made ahead."""
        if workers == 1:
            yield from map(self.chunk, itertools.count())
            return
        executor = ProcessPoolExecutor(workers)
        try:
            ahead = deque(executor.submit(self.chunk, index) for index in range(2 * workers))
            for index in itertools.count(2 * workers):
                yield ahead.popleft().result()
                ahead.append(executor.submit(self.chunk, index))
        finally:
            executor.shutdown(cancel_futures=True)


def usable_processes() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def apply(operator: str, arguments: list[int]) -> int:
    """The value of an operator for its arguments.

    Example:
        >>> apply("[MED", [1, 2, 5, 9])
        3
    """
    if operator == "[MIN":
        return min(arguments)
    if operator == "[MAX":
        return max(arguments)
    if operator == "[SM":
        return sum(arguments) % 10
    ranked = sorted(arguments)
    half = len(ranked) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) // 2

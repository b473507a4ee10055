"""Files that are damaged at random, each by a seed and a number."""

from __future__ import annotations

import gzip
import io
import random
import re
import struct
import zipfile

_NUMBERS = [
    *("0", "-1", "1", "2", "255", "65535", "65536", "2147483647", "2147483648", "4294967295", "9223372036854775807"),
    *("18446744073709551616", "1e39", "1e155", "1e308", "1e400", "-1e400", "nan", "inf", "1" * 5000, "0x10", "1_000"),
    *("1,5", "٣", "", " ", "+", "-", "1.5", "true", "None", "2020-99-99"),
]
_PIECES = [
    *(
        b"\0",
        b"\n",
        b"\r",
        b"\r\n",
        b'"',
        b"'",
        b",",
        b";",
        b"\t",
        b" ",
        b"\xff",
        b"\xe9",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
    ),
    *(
        b"\xed\xa0\x80",
        b"\\ud800",
        b"{",
        b"}",
        b"[" * 2000,
        b"{" * 200,
        b"&a *a",
        b"- ",
        b": ",
        b"#",
        b"//",
        b"\\",
        b"..",
        b"/",
    ),
    *(b"null", b"NaN", b"Infinity", b"%s", b"[bold]", b"\x1b[2J", "😀".encode(), "\u2028".encode(), b"-" * 300),
]
_WORDS = [
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**63 - 1,
    2**63,
    2**64 - 1,
]
_NUMBER = re.compile(rb"[-+]?\d[\d.]*(?:[eE][-+]?\d+)?")


def mutated(content: bytes, seed: str) -> bytes:
    """A damaged file; one seed always gives the same.

    Half of the archives are damaged inside: a member is unpacked, damaged and packed again.
    """
    chance = random.Random(seed)
    if content[:2] == b"PK" and chance.random() < 0.6:
        return _inside_zip(content, chance)
    if content[:2] == b"\x1f\x8b" and chance.random() < 0.6:
        return gzip.compress(_damaged(gzip.decompress(content), chance), mtime=0)
    return _damaged(content, chance)


def _inside_zip(content: bytes, chance: random.Random) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(packed, "w") as after:
        members = before.infolist()
        chosen = chance.choice(members)
        for member in members:
            inner = before.read(member)
            if member is chosen:
                inner = _damaged(inner, chance)
                if chance.random() < 0.1:
                    continue
            after.writestr(member, inner)
    return packed.getvalue()


def _damaged(content: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        chance.choice(_WAYS)(damaged, chance)
    return bytes(damaged)


def _place(content: bytearray, chance: random.Random) -> int:
    # Headers are short, and what they say matters most.
    end = len(content) if chance.random() < 0.6 else min(len(content), 256)
    return chance.randrange(end + 1)


def _flip(content: bytearray, chance: random.Random) -> None:
    if content:
        content[_place(content, chance) % len(content)] ^= 1 << chance.randrange(8)


def _set(content: bytearray, chance: random.Random) -> None:
    if content:
        content[_place(content, chance) % len(content)] = chance.choice(
            (0, 1, 0x20, 0x7F, 0x80, 0xFF, chance.randrange(256))
        )


def _word(content: bytearray, chance: random.Random) -> None:
    """A number of two, four or eight bytes becomes one at the border of what it can hold."""
    form = chance.choice(("<H", "<I", "<Q", ">H", ">I", "<i", "<d"))
    size, place = struct.calcsize(form), _place(content, chance)
    value = chance.choice(_WORDS)
    packed = struct.pack("<d", chance.choice((float("nan"), float("inf"), 1e155, -1e308))) if form == "<d" else None
    content[place : place + size] = packed or (value % 256**size).to_bytes(size, "little" if form[0] == "<" else "big")


def _cut(content: bytearray, chance: random.Random) -> None:
    del content[_place(content, chance) :]


def _remove(content: bytearray, chance: random.Random) -> None:
    place = _place(content, chance)
    del content[place : place + chance.choice((1, 2, 4, 8, 50))]


def _insert(content: bytearray, chance: random.Random) -> None:
    place = _place(content, chance)
    content[place:place] = chance.choice(_PIECES)


def _repeat(content: bytearray, chance: random.Random) -> None:
    place = _place(content, chance)
    part = bytes(content[place : place + chance.choice((1, 4, 20, 200))])
    content[place:place] = part * min(chance.choice((1, 2, 10, 1000)), 20_000 // max(len(part), 1))


def _move(content: bytearray, chance: random.Random) -> None:
    start, end = _place(content, chance), _place(content, chance)
    part = bytes(content[start : start + 40])
    content[end : end + len(part)] = part


def _number(content: bytearray, chance: random.Random) -> None:
    """A number in a text becomes another, or none."""
    found = list(_NUMBER.finditer(bytes(content[:100_000])))
    if found:
        chosen = chance.choice(found[: chance.choice((8, len(found)))])
        content[chosen.start() : chosen.end()] = chance.choice(_NUMBERS).encode()


def _lines(content: bytearray, chance: random.Random) -> None:
    """A line is removed, written twice, or changes its place."""
    lines = bytes(content).split(b"\n")
    line = lines.pop(chance.randrange(len(lines)))
    for _ in range(chance.choice((0, 1, 2))):
        lines.insert(chance.randrange(len(lines) + 1), line)
    content[:] = b"\n".join(lines)


_WAYS = (_flip, _set, _word, _cut, _remove, _insert, _repeat, _move, _number, _number, _lines)

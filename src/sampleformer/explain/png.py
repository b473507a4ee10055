"""Small pictures as PNG data addresses, so that a page needs no other file."""

import base64
import struct
import zlib

import numpy as np
from jaxtyping import Float, UInt8

# White to dark blue. Lightness falls steadily, so that the map also reads in grey and for colour-blind eyes.
_HEAT = np.array(
    [[250, 250, 250], [214, 228, 244], [158, 196, 230], [90, 150, 208], [32, 96, 170], [8, 42, 96]], dtype=np.float64
)


def heat(values: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape 3"]:
    """Colours for values between 0 (near white) and 1 (dark blue)."""
    place = np.clip(np.nan_to_num(values), 0.0, 1.0) * (len(_HEAT) - 1)
    lower = np.minimum(place.astype(np.int64), len(_HEAT) - 2)
    part = (place - lower)[..., None]
    return np.rint(_HEAT[lower] * (1 - part) + _HEAT[lower + 1] * part).astype(np.uint8)


def blend(
    values: Float[np.ndarray, "*shape"], dark: tuple[int, int, int], light: tuple[int, int, int]
) -> UInt8[np.ndarray, "*shape 3"]:
    """Colours between two ends for values between 0 and 1."""
    part = np.clip(np.nan_to_num(values), 0.0, 1.0)[..., None]
    return np.rint(np.asarray(dark) * (1 - part) + np.asarray(light) * part).astype(np.uint8)


def png_address(pixels: UInt8[np.ndarray, "rows columns 3"]) -> str:
    """A ``data:`` address that shows the pixels.

    Example:
        >>> png_address(np.zeros((1, 1, 3), dtype=np.uint8))[:30]
        'data:image/png;base64,iVBORw0K'
    """
    rows, columns, _ = pixels.shape
    # Every row starts with 0: no filter.
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), pixels.reshape(rows, columns * 3)], axis=1)
    data = (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0))
        + _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9))
        + _chunk(b"IEND", b"")
    )
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

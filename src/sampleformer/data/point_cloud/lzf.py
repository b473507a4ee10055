"""Decompresses LZF, which binary_compressed PCD files use."""

LONGEST_LITERAL = 32


def decompress_lzf(data: bytes, size: int) -> bytes:
    """What was compressed.

    A control byte below 32 announces that many bytes and one more, as they are. Any other is a reference back: its top
    three bits are the length less two (7: the next byte is added), the rest and one more byte the distance less one.

    Args:
        data: compressed.
        size: of the result in bytes.

    Raises:
        ValueError: if the data are damaged.

    Source: Marc Lehmann's LibLZF, `lzf_d.c`.

    Example:
        >>> decompress_lzf(bytes([1, 97, 98, 0x40, 1]), 6)
        b'ababab'
    """
    result = bytearray()
    place = 0
    try:
        while place < len(data):
            control = data[place]
            place += 1
            if control < LONGEST_LITERAL:
                result += data[place : place + control + 1]
                place += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += data[place]
                place += 1
            start = len(result) - ((control & 31) << 8) - data[place] - 1
            place += 1
            if start < 0:
                raise ValueError("damaged LZF data: a reference before the start")
            length += 2
            found = result[start : start + length]
            while len(found) < length:  # the reference reaches into what it makes
                found += found[: length - len(found)]
            result += found
            if len(result) > size:
                break
    except IndexError as error:
        raise ValueError("damaged LZF data: cut short") from error
    if len(result) != size:
        raise ValueError(f"damaged LZF data: found {len(result)} bytes, expected {size}")
    return bytes(result)

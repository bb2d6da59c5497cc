"""Pictures as PNG files."""

import struct
import zlib


def encode_png(pixels, width, height, scale=1):
    """The bytes of an 8-bit RGB PNG.

    `pixels` are floats, 0 to 1, row by row, three a pixel; each becomes a square of `scale` by `scale`.
    """
    shades = bytes(round(min(max(value, 0.0), 1.0) * 255) for value in pixels)
    rows = []
    for top in range(0, 3 * width * height, 3 * width):
        row = b"".join(shades[at : at + 3] * scale for at in range(top, top + 3 * width, 3))
        rows.append((b"\0" + row) * scale)
    header = struct.pack(">IIBBBBB", width * scale, height * scale, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

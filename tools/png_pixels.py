"""The pixels of a PNG file, with nothing but Python's own library."""

import struct
import zlib


def read_picture(path):
    """Width, height and the rows of an RGB PNG without interlacing, as the demo writes them."""
    data = path.read_bytes()
    position, packed, header = 8, b"", None
    while position < len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        chunk = data[position + 8:position + 8 + size]
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", chunk)
        elif kind == b"IDAT":
            packed += chunk
        position += 12 + size
    width, height, depth, colour, _, _, interlace = header
    if (depth, colour, interlace) != (8, 2, 0):
        raise ValueError(f"{path}: not a picture of the demo's")
    lines, stride = zlib.decompress(packed), 1 + 3 * width
    rows, above = [], bytes(3 * width)
    for y in range(height):
        line = lines[y * stride:(y + 1) * stride]
        above = unfilter(line[0], bytearray(line[1:]), above)
        rows.append(above)
    return width, height, rows


def unfilter(kind, row, above):
    """Undoes the prediction of a PNG row (PNG specification, section 9)."""
    for i in range(len(row)):
        left = row[i - 3] if i >= 3 else 0
        corner = above[i - 3] if i >= 3 else 0
        if kind == 1:
            row[i] = (row[i] + left) & 255
        elif kind == 2:
            row[i] = (row[i] + above[i]) & 255
        elif kind == 3:
            row[i] = (row[i] + (left + above[i]) // 2) & 255
        elif kind == 4:
            estimate = left + above[i] - corner
            nearest = min((abs(estimate - left), 0, left), (abs(estimate - above[i]), 1, above[i]),
                          (abs(estimate - corner), 2, corner))
            row[i] = (row[i] + nearest[2]) & 255
    return row

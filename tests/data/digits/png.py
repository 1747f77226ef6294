#!/usr/bin/env python3
"""Write the digits as PNG files, one folder a class: FOLDER/3/0042.png. Uses nothing but the standard library.

Example: python3 tests/data/digits/png.py digits/
"""

import argparse
import gzip
import struct
import sys
import zlib
from pathlib import Path

DATA = Path(__file__).resolve().parent / "digits.csv.gz"
SIDE = 8


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(levels: list[int]) -> bytes:
    """An 8-bit grey PNG (ISO/IEC 15948) of 8×8 levels from 0 to 16."""
    grey = bytes((level * 255 + 8) // 16 for level in levels)
    rows = b"".join(b"\0" + grey[i : i + SIDE] for i in range(0, SIDE * SIDE, SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    with gzip.open(DATA, "rt", encoding="ascii") as lines:
        for number, line in enumerate(lines):
            *levels, label = (int(float(value)) for value in line.split(","))
            place = folder / str(label)
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number:04}.png").write_bytes(png(levels))
    print(f"{number + 1} images in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Write digits.csv.gz from the installed scikit-learn, or with --check compare it, byte for byte.

It also holds the file against what `load_digits` returns. It changes no value.
"""

import argparse
import gzip
import hashlib
import sys
from pathlib import Path

import sklearn.datasets

VERSION = "1.9.1"
DIGEST = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
HERE = Path(__file__).resolve().parent / "digits.csv.gz"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare the kept file, write nothing")
    check = parser.parse_args().check

    source = Path(sklearn.datasets.__file__).parent / "data" / "digits.csv.gz"
    data = source.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != DIGEST:
        print(f"scikit-learn {sklearn.__version__} carries {digest}, {VERSION} carried {DIGEST}", file=sys.stderr)
        return 1

    rows = [[int(cell) for cell in line.split(",")] for line in gzip.decompress(data).decode("ascii").splitlines()]
    loaded = sklearn.datasets.load_digits()
    if [row[:-1] for row in rows] != loaded.data.astype(int).tolist() or [row[-1] for row in rows] != loaded.target.tolist():
        print("the file is not what load_digits returns", file=sys.stderr)
        return 1

    if check:
        if HERE.read_bytes() != data:
            print(f"{HERE.name} differs from scikit-learn's", file=sys.stderr)
            return 1
    else:
        HERE.write_bytes(data)
    print(f"{HERE.name}: {len(rows)} images, {len(data)} bytes, sha256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

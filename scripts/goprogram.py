"""Builds a program of others from its Go module, pinned in scripts/NAME.d, into .tools/go, and runs it for a test. It
downloads no binary.

`go install PACKAGE@VERSION` refuses modules with `exclude` lines, so each has a small module that requires it; go.sum
holds the digest of every module, and nothing that differs is built.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD_SECONDS = 1800
START_SECONDS = 60
# What a script ends with where a program can't be had; scripts/test counts it as skipped.
UNAVAILABLE = 77


class Unavailable(Exception):
    """The program can't be had on this machine; the text says why and what helps."""


class GoProgram:
    """A command of a Go module: `package` below the module that scripts/`name`.d requires."""

    def __init__(self, name, package, command, root=ROOT):
        self.name, self.package, self.command = name, package, command
        self.module, self.tools = root / "scripts" / f"{name}.d", root / ".tools" / "go"

    def version(self):
        """The pinned version, from go.mod."""
        text = (self.module / "go.mod").read_text(encoding="utf-8")
        paths = re.findall(r"^(?:require\s+|\t)(\S+) (v\S+)", text, re.MULTILINE)
        found = [version for path, version in paths if self.package.startswith(path + "/")]
        return found[0]

    def file(self):
        """Where the program is once it is built; another version, another file."""
        pinned = b"".join((self.module / name).read_bytes() for name in ("go.mod", "go.sum"))
        return self.tools / f"{self.command}-{self.version()}-{hashlib.sha256(pinned).hexdigest()[:12]}"

    def built(self):
        """The program's file, where it is there."""
        if os.access(self.file(), os.X_OK):
            return self.file()
        raise Unavailable(f"{self.name} is not built: scripts/{self.name} build")

    def build(self, say=lambda text: print(text, file=sys.stderr)):
        """The program's file; builds it if it is not there. Says what it does, and nothing where it is there."""
        file = self.file()
        if os.access(file, os.X_OK):
            return file
        go = shutil.which("go")
        if not go:
            raise Unavailable(f"Go is not on PATH, and {self.name} is built with it (https://go.dev/doc/install)")
        self.tools.mkdir(parents=True, exist_ok=True)
        with open(self.tools / f"{self.command}.lock", "w", encoding="utf-8") as lock:
            # Two builds at once would take twice the time.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.access(file, os.X_OK):
                return file
            say(f"{self.name}: building {self.version()} with Go, once; this takes some minutes")
            new = file.with_suffix(".new")
            jobs = ["-p", os.environ["GO_JOBS"]] if os.environ.get("GO_JOBS") else []
            command = [go, "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", *jobs, "-o", new, self.package]
            # cgo would need the machine's C libraries, and says which of them a build had.
            env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
            try:
                done = subprocess.run(command, cwd=self.module, env=env, timeout=BUILD_SECONDS, check=False,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      text=True, encoding="utf-8", errors="replace")
            except subprocess.TimeoutExpired:
                raise Unavailable(f"{self.name} did not build within {BUILD_SECONDS} s") from None
            if done.returncode != 0:
                last = "\n".join(done.stdout.strip().splitlines()[-4:])
                raise Unavailable(f"{self.name} {self.version()} does not build here: {last}")
            for old in self.tools.glob(f"{self.command}-v*"):
                if old != new:
                    old.unlink()
            new.rename(file)
        say(f"{self.name}: {file.relative_to(self.tools.parent.parent)}")
        return file


def serve(command, log, ready, env=None, use=None):
    """Runs a server until standard input ends, which it does when whoever started this ends, or until SIGTERM; with `use`
    until that command ends, in whose words {name} stands for what `ready` says. Gives the exit code.

    `ready` says what is printed as one JSON line once the server answers; before that it raises an OSError.
    """
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    with open(log, "ab") as file:
        server = subprocess.Popen(command, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=file,
                                  stderr=file, start_new_session=True)
    if not use:
        threading.Thread(target=lambda: (sys.stdin.buffer.read(), ended.set()), daemon=True).start()
    user = None
    try:
        deadline, said = time.monotonic() + START_SECONDS, None
        while not said:
            if ended.is_set() or server.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(f"{Path(command[0]).name} did not start; see {log}")
            try:
                said = ready()
            except (OSError, ValueError):
                pass
            time.sleep(0.05)
        said = {**said, "program": str(command[0]), "pid": server.pid}
        if not use:
            print(json.dumps(said), flush=True)
        else:
            words = [re.sub(r"\{(\w+)\}", lambda match: str(said.get(match.group(1), match.group(0))), word) for word in use]
            user = subprocess.Popen(words)
        while not ended.wait(0.2) and server.poll() is None and (user is None or user.poll() is None):
            pass
        if user:
            return user.returncode if user.poll() is not None else 1
        return 0
    finally:
        for process in filter(None, (user, server)):
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

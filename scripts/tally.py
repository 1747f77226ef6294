"""Reads what test runners print and counts passed, failed and skipped.

Pure text in, numbers out: it runs nothing and decides nothing about order or exit codes.
"""

import re
from dataclasses import dataclass, field

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

CARGO_RESULT = re.compile(
    r"^test result: (?:ok|FAILED)\. (\d+) passed; (\d+) failed; (\d+) ignored; \d+ measured; \d+ filtered out"
)
CARGO_PROGRAM = re.compile(r"^\s+(?:Running (?=.*\(.*\)$)|Doc-tests )(.+)$")
CARGO_RUNNING = re.compile(r"^running \d+ tests?$")
# What a test says that found, while it ran, that it can't run here: libtest has no word for it and counts it as passed.
CARGO_SKIPPED = re.compile(r"^skipped: (\S+): (.+)$")
CARGO_IGNORED = re.compile(r"^test (.+?) \.\.\. ignored(?:, (.*))?$")

FORGE_RESULT = re.compile(
    r"^Ran \d+ test suites? in .*: (\d+) tests? passed, (\d+) failed, (\d+) skipped \(\d+ total tests?\)"
)
FORGE_SKIPPED = re.compile(r"^\[SKIP(?:: (.*?))?\] (.+?)(?: \(.*\))?$")
FORGE_SUITE = re.compile(r"^Ran \d+ tests? for (.+)$")

UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in ")
UNITTEST_RESULT = re.compile(r"^(?:OK|FAILED)(?: \((.*)\))?$")
UNITTEST_SKIPPED = re.compile(r"^(.+) \.\.\. skipped '(.*)'$")
# Errors here are in `errors`, but not in `Ran N tests`.
UNITTEST_FIXTURE = re.compile(r"^(?:setUp|tearDown)(?:Class|Module) \(.*\) \.\.\. ERROR$")

NODE_COUNT = re.compile(r"^# (pass|fail|cancelled|skipped|todo) (\d+)$")
NODE_SKIPPED = re.compile(r"^\s*ok \d+ - (.+?) # (?:SKIP|TODO)\b ?(.*)$")

# As automake has it.
UNAVAILABLE = 77

CLOSING = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")
REASON = re.compile(r"^skipped: (.+)$")


@dataclass
class Tally:
    """Counts, with a reason for each skip and a word on each failure that no runner counted."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    skips: list = field(default_factory=list)
    notes: list = field(default_factory=list)

    def __iadd__(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.skips += other.skips
        self.notes += other.notes
        return self

    def closing_line(self):
        """`N passed, N failed`, and `, N skipped` if there are any."""
        line = f"{self.passed} passed, {self.failed} failed"
        return f"{line}, {self.skipped} skipped" if self.skipped else line


@dataclass
class Waiting:
    """A test program that has not reported yet."""

    name: str
    running: bool = False
    skips: list = field(default_factory=list)


def check(text, code):
    """A check of our own: the exit code is the result."""
    return Tally(passed=1) if code == 0 else Tally(failed=1, notes=[f"exit code {code}"])


def unless_unavailable(count):
    """The same, but exit code 77 says that what is needed can't be had here, and the last line why."""
    def counted(text, code):
        if code != UNAVAILABLE:
            return count(text, code)
        said = [line for line in _lines(text) if line]
        return Tally(skipped=1, skips=[said[-1] if said else "no reason given"])
    return counted


def cargo_test(text, code):
    """`cargo test --no-fail-fast`. A test program that began and never reported counts as one failure."""
    tally, reported, waiting = Tally(), 0, None
    for line in _lines(text):
        if match := CARGO_RESULT.match(line):
            passed, failed, ignored = map(int, match.groups())
            skips = waiting.skips[:passed] if waiting else []
            tally += Tally(passed - len(skips), failed, ignored + len(skips), skips)
            reported, waiting = reported + 1, None
        elif match := CARGO_PROGRAM.match(line):
            tally += _lost(waiting)
            waiting = Waiting(match.group(1))
        elif CARGO_RUNNING.match(line):
            # Doc tests report twice under one heading.
            if waiting is None:
                waiting = Waiting("doc tests")
            elif waiting.running:
                tally += _lost(waiting)
            waiting.running = True
        elif waiting and (match := CARGO_SKIPPED.match(line)):
            waiting.skips.append(f"{match.group(1)}: {match.group(2)}")
        elif match := CARGO_IGNORED.match(line):
            tally.skips.append(f"{match.group(1)}: {match.group(2) or 'no reason given'}")
    tally += _lost(waiting)
    return _with_exit_code(tally, reported, code)


def forge_test(text, code):
    """`forge test`. Without its summary line the whole run counts as one failure."""
    tally, suite, reported = Tally(), "", 0
    for line in _lines(text):
        if match := FORGE_RESULT.match(line):
            reported += 1
            passed, failed, skipped = map(int, match.groups())
            tally += Tally(passed, failed, skipped)
        elif match := FORGE_SUITE.match(line):
            suite = match.group(1)
        elif match := FORGE_SKIPPED.match(line):
            tally.skips.append(f"{suite} {match.group(2)}: {match.group(1) or 'no reason given'}")
    # Failing and skipped tests are printed once more after the summary.
    tally.skips = list(dict.fromkeys(tally.skips))[: tally.skipped]
    return _with_exit_code(tally, reported, code)


def python_unittest(text, code):
    """`python3 -m unittest --verbose`."""
    tally, ran, fixtures, reported = Tally(), None, 0, 0
    for line in _lines(text):
        if match := UNITTEST_RAN.match(line):
            ran = int(match.group(1))
        elif UNITTEST_FIXTURE.match(line):
            fixtures += 1
        elif match := UNITTEST_SKIPPED.match(line):
            tally.skips.append(f"{match.group(1)}: {match.group(2)}")
        elif ran is not None and (match := UNITTEST_RESULT.match(line)):
            counts = dict(part.split("=") for part in (match.group(1) or "").split(", ") if "=" in part)
            bad = ("failures", "errors", "unexpected successes")
            failed = sum(int(counts.get(name, 0)) for name in bad)
            skipped = int(counts.get("skipped", 0))
            tally += Tally(max(ran + fixtures - failed - skipped, 0), failed, skipped)
            reported, ran = reported + 1, None
    return _with_exit_code(tally, reported, code)


def node_test(text, code):
    """`node --test --test-reporter=tap`. What was cancelled did not pass."""
    counts = {name: int(number) for name, number in (match.groups() for match in map(NODE_COUNT.match, _lines(text)) if match)}
    tally = Tally(counts.get("pass", 0), counts.get("fail", 0) + counts.get("cancelled", 0),
                  counts.get("skipped", 0) + counts.get("todo", 0))
    skips = (match.groups() for match in map(NODE_SKIPPED.match, _lines(text)) if match)
    tally.skips = [f"{name}: {reason or 'no reason given'}" for name, reason in skips]
    return _with_exit_code(tally, "pass" in counts and "fail" in counts, code)


def closing_line(text, code):
    """A script of ours that ends as this one does: `N passed, N failed`. Skips have a line `skipped: reason` each."""
    lines = list(_lines(text))
    match = next((match for match in map(CLOSING.match, reversed(lines)) if match), None)
    tally = Tally(*(int(number or 0) for number in match.groups())) if match else Tally()
    if tally.skipped:
        tally.skips = [match.group(1) for match in map(REASON.match, lines) if match] or ["no reason given"]
    return _with_exit_code(tally, match is not None, code)


def _lost(waiting):
    if waiting is None:
        return Tally()
    return Tally(failed=1, notes=[f"{waiting.name} ended without a result"])


def _with_exit_code(tally, reported, code):
    if not reported:
        tally += Tally(failed=1, notes=[f"no result line, exit code {code}"])
    elif code != 0 and not tally.failed:
        tally += Tally(failed=1, notes=[f"exit code {code} though no test failed"])
    return tally


def _lines(text):
    return (ANSI.sub("", line).rstrip() for line in text.splitlines())

"""How scripts/test runs a step: limits, exit codes, what it leaves behind.

It runs small commands of its own, none of the real steps.
"""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import subprocess
import sys
import time
import unittest
from pathlib import Path

import tally

SCRIPT = Path(__file__).resolve().parent / "test"
LOADER = importlib.machinery.SourceFileLoader("runner", str(SCRIPT))
runner = importlib.util.module_from_spec(importlib.util.spec_from_loader("runner", LOADER))
LOADER.exec_module(runner)


def run(*command, minutes=1.0, **env):
    """Output and exit code of a step, and what was shown meanwhile."""
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        output, code = runner.run(runner.Step("a step", list(command), minutes=minutes, env=env), dict(os.environ))
    return output, code, shown.getvalue()


class RunTest(unittest.TestCase):
    def test_keeps_both_streams_in_order_and_shows_them(self):
        output, code, shown = run("sh", "-c", "echo one; echo two >&2; echo $WORD; exit 3", WORD="three")
        self.assertEqual((output, code), ("one\ntwo\nthree\n", 3))
        self.assertEqual(shown, output)

    def test_bytes_that_are_no_text_do_not_stop_it(self):
        output, code, _ = run("sh", "-c", r"printf '\377\n'; echo after")
        self.assertEqual(code, 0)
        self.assertTrue(output.endswith("after\n"))

    def test_a_command_that_is_not_there_fails(self):
        _, code, shown = run("no-such-command-anywhere")
        self.assertEqual(code, 127)
        self.assertIn("can't run no-such-command-anywhere", shown)

    def test_past_its_limit_a_step_ends_with_all_its_children(self):
        began = time.monotonic()
        output, code, shown = run("sh", "-c", "sleep 60 & echo $!; wait", minutes=0.5 / 60)
        self.assertLess(time.monotonic() - began, 30)
        self.assertNotEqual(code, 0)
        self.assertIn("time limit", shown)
        child = int(output.split()[0])
        for _ in range(100):
            if not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes():
                return
            time.sleep(0.05)
        self.fail(f"process {child} is still there")


class ReportTest(unittest.TestCase):
    def test_the_closing_line_is_the_last_and_reasons_stand_above(self):
        skipped, failed = tally.Tally(skipped=1, skips=["not here"]), tally.Tally(2, 1, notes=["exit code 1"])
        total = tally.Tally()
        total += skipped
        total += failed
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            runner.report([("a", skipped, 0.0), ("b", failed, 1.5)], total)
        lines = shown.getvalue().splitlines()
        self.assertEqual(lines[-1], "2 passed, 1 failed, 1 skipped")
        self.assertIn("skipped: a: not here", lines)
        self.assertIn("failed: b: exit code 1", lines)


class StepsTest(unittest.TestCase):
    def test_long_sets_a_fresh_seed_and_keeps_what_the_user_set(self):
        with contextlib.redirect_stdout(io.StringIO()):
            one, two = runner.environment(True), runner.environment(True)
        self.assertNotEqual(one["FOUNDRY_FUZZ_SEED"], two["FOUNDRY_FUZZ_SEED"])
        os.environ["PROPTEST_CASES"] = "7"
        self.addCleanup(os.environ.pop, "PROPTEST_CASES")
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(runner.environment(True)["PROPTEST_CASES"], "7")
        self.assertNotIn("OFFSETDATA_LONG", runner.environment(False))

    def test_an_unknown_step_is_refused(self):
        done = subprocess.run([sys.executable, "-B", str(SCRIPT), "--only", "nothing"], text=True, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 2)
        self.assertIn("no step named nothing", done.stderr)


if __name__ == "__main__":
    unittest.main()

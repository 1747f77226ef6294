"""What the runners really print (taken from cargo 1.95, forge 1.7.1 and Python 3.11), counted.

It runs no runner.
"""

import unittest

import tally

CARGO = """\
   Compiling c v0.1.0 (c)
     Running unittests src/lib.rs (target/debug/deps/c-d4fd4905425e6bfe)

running 4 tests
test ig ... ignored, takes an hour
test ig2 ... ignored
test ok ... ok
test bad ... FAILED

failures:

---- bad stdout ----
test results are bad
     Running fast

failures:
    bad

test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.20s

error: test failed, to rerun pass `--lib`
     Running tests/fine.rs (target/debug/deps/fine-d1b582c83f35bdb5)

running 1 test
test a ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests c

running 1 test
test src/lib.rs - (line 1) ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s


running 2 tests
test src/lib.rs - (line 4) - compile fail ... ok
test src/lib.rs - (line 7) ... ok

test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.21s

all doctests ran in 0.65s; merged doctests compilation took 0.42s
"""

CARGO_CRASH = """\
     Running tests/crash.rs (target/debug/deps/crash-ad4c03fffb556c6f)

running 1 test
error: test failed, to rerun pass `--test crash`

Caused by:
  process didn't exit successfully: `crash` (signal: 6, SIGABRT: process abort signal)
"""

CARGO_NO_START = """\
     Running tests/gone.rs (target/debug/deps/gone-ad4c03fffb556c6f)
error: could not execute process (never executed)
"""

FORGE = """\
Compiler run successful!

Ran 5 tests for tests/contracts/unit/A.t.sol:ATest
[FAIL: assertion failed: 5 >= 1000; counterexample: calldata=0xe4 args=[5]] testFuzz_F(uint256) (runs: 0, μ: 0, ~: 0)
[SKIP] test_Bare() (gas: 0)
[FAIL: assertion failed: 1 != 2] test_Fail() (gas: 3310)
[PASS] test_Ok() (gas: 166)
[SKIP: needs a fork] test_Skip() (gas: 0)
Suite result: FAILED. 1 passed; 2 failed; 2 skipped; finished in 4.65ms (4.39ms CPU time)

Ran 2 test suites in 19.61ms (5.14ms CPU time): 1 tests passed, 3 failed, 2 skipped (6 total tests)

Failing tests:
Encountered 2 failing tests in tests/contracts/unit/A.t.sol:ATest
[FAIL: assertion failed: 1 != 2] test_Fail() (gas: 3310)
"""

UNITTEST = """\
test_e (u_test.A.test_e) ... ERROR
test_f (u_test.A.test_f) ... FAIL
test_ok (u_test.A.test_ok) ... ok
test_s (u_test.A.test_s) ... skipped 'why not'
test_sd (u_test.A.test_sd)
A doc. ... skipped 'doc'
setUpClass (u_test.B) ... ERROR
v_test (unittest.loader._FailedTest.v_test) ... ERROR

----------------------------------------------------------------------
Ran 6 tests in 0.001s

FAILED (failures=1, errors=3, skipped=2)
"""


class CargoTest(unittest.TestCase):
    def test_sums_programs_and_doc_tests(self):
        result = tally.cargo_test(CARGO, 101)
        self.assertEqual((result.passed, result.failed, result.skipped), (5, 1, 2))
        self.assertEqual(result.skips, ["ig: takes an hour", "ig2: no reason given"])
        self.assertEqual(result.notes, [])

    def test_a_crashed_program_is_a_failure_wherever_it_stands(self):
        for text in (CARGO_CRASH + CARGO, CARGO + CARGO_CRASH):
            result = tally.cargo_test(text, 101)
            self.assertEqual((result.passed, result.failed), (5, 2))
            self.assertIn("tests/crash.rs", result.notes[0])

    def test_a_program_that_never_started_is_a_failure(self):
        self.assertEqual(tally.cargo_test(CARGO + CARGO_NO_START, 101).failed, 2)

    def test_nothing_built_is_a_failure(self):
        self.assertEqual(tally.cargo_test("error[E0425]: cannot find value\n", 101).closing_line(), "0 passed, 1 failed")

    def test_a_silent_success_is_a_failure(self):
        self.assertEqual(tally.cargo_test("", 0).failed, 1)

    def test_one_program_that_does_not_compile_is_a_failure_beside_the_others(self):
        green = "running 1 test\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s\n"
        self.assertEqual(tally.cargo_test(green, 101).closing_line(), "1 passed, 1 failed")

    def test_what_a_test_says_that_it_skipped_did_not_pass(self):
        text = """\
     Running tests/kubo.rs (target/debug/deps/kubo-ad4c03fffb556c6f)

running 3 tests

skipped: circle: Kubo is not built
test circle ... ok
test fine ... ok

skipped: pins: Kubo is not built
test pins ... ok

test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.21s
"""
        result = tally.cargo_test(text, 0)
        self.assertEqual(result.closing_line(), "1 passed, 0 failed, 2 skipped")
        self.assertEqual(result.skips, ["circle: Kubo is not built", "pins: Kubo is not built"])
        # Of a program that was lost it is its end that counts.
        lost = tally.cargo_test(text[: text.index("test result")], 101)
        self.assertEqual((lost.passed, lost.skipped), (0, 0))

    def test_colours_do_not_hide_the_result(self):
        line = "test result: \x1b[32mok\x1b[0m. 7 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s\n"
        self.assertEqual(tally.cargo_test(line, 0).closing_line(), "7 passed, 0 failed")


class ForgeTest(unittest.TestCase):
    def test_takes_the_summary_and_the_reasons(self):
        result = tally.forge_test(FORGE, 1)
        self.assertEqual((result.passed, result.failed, result.skipped), (1, 3, 2))
        self.assertEqual(result.skips, [
            "tests/contracts/unit/A.t.sol:ATest test_Bare(): no reason given",
            "tests/contracts/unit/A.t.sol:ATest test_Skip(): needs a fork",
        ])

    def test_without_summary_it_failed(self):
        for text, code in (("Error: Compiler run failed:\n", 1), ("Nothing to compile\n", 0)):
            self.assertEqual(tally.forge_test(text, code).closing_line(), "0 passed, 1 failed")

    def test_exit_code_counts_though_the_summary_is_green(self):
        green = "Ran 1 test suite in 47.48ms (37.05ms CPU time): 2 tests passed, 0 failed, 0 skipped (2 total tests)\n"
        self.assertEqual(tally.forge_test(green, 0).closing_line(), "2 passed, 0 failed")
        self.assertEqual(tally.forge_test(green, -11).closing_line(), "2 passed, 1 failed")


class PythonTest(unittest.TestCase):
    def test_errors_outside_tests_do_not_eat_passes(self):
        result = tally.python_unittest(UNITTEST, 1)
        self.assertEqual((result.passed, result.failed, result.skipped), (1, 4, 2))
        self.assertEqual(result.skips, ["test_s (u_test.A.test_s): why not", "A doc.: doc"])

    def test_green(self):
        text = "test_ok (a.A.test_ok) ... ok\n\n---\nRan 3 tests in 0.001s\n\nOK\n"
        self.assertEqual(tally.python_unittest(text, 0).closing_line(), "3 passed, 0 failed")

    def test_a_crash_is_a_failure(self):
        self.assertEqual(tally.python_unittest("Fatal Python error\n", -6).failed, 1)


NODE = """\
TAP version 13
# Subtest: one
ok 1 - one
# Subtest: two
ok 2 - two # SKIP no network
# Subtest: three
not ok 3 - three
1..3
# tests 3
# suites 0
# pass 1
# fail 1
# cancelled 0
# skipped 1
# todo 0
# duration_ms 52.1
"""


class NodeTest(unittest.TestCase):
    def test_takes_the_counts_and_the_reasons(self):
        result = tally.node_test(NODE, 1)
        self.assertEqual((result.passed, result.failed, result.skipped), (1, 1, 1))
        self.assertEqual(result.skips, ["two: no network"])

    def test_what_was_cancelled_failed(self):
        self.assertEqual(tally.node_test(NODE.replace("# cancelled 0", "# cancelled 2"), 1).failed, 3)

    def test_a_run_without_counts_failed(self):
        self.assertEqual(tally.node_test("TAP version 13\n", 0).failed, 1)

    def test_exit_code_counts_though_no_test_failed(self):
        self.assertEqual(tally.node_test(NODE.replace("# fail 1", "# fail 0"), 1).failed, 1)


class OwnScriptTest(unittest.TestCase):
    def test_takes_the_closing_line(self):
        result = tally.closing_line("caught a\n178 passed, 0 failed\n", 0)
        self.assertEqual((result.passed, result.failed, result.skipped), (178, 0, 0))

    def test_takes_the_reason_of_a_skip(self):
        result = tally.closing_line("skipped: no network\n0 passed, 0 failed, 1 skipped\n", 0)
        self.assertEqual((result.skipped, result.skips), (1, ["no network"]))

    def test_silence_and_a_bad_exit_code_are_failures(self):
        self.assertEqual(tally.closing_line("caught a\n", 0).failed, 1)
        self.assertEqual(tally.closing_line("1 passed, 0 failed\n", 143).failed, 1)


class ClosingLineTest(unittest.TestCase):
    def test_names_skips_only_if_there_are_any(self):
        self.assertEqual(tally.Tally(3, 1).closing_line(), "3 passed, 1 failed")
        self.assertEqual(tally.Tally(3, 0, 2).closing_line(), "3 passed, 0 failed, 2 skipped")

    def test_what_cannot_be_had_is_skipped_with_its_reason(self):
        count = tally.unless_unavailable(tally.check)
        absent = count("kubo: building\nkubo: Go is not on PATH\n", 77)
        self.assertEqual((absent.closing_line(), absent.skips), ("0 passed, 0 failed, 1 skipped", ["kubo: Go is not on PATH"]))
        self.assertEqual(count("", 77).skipped, 1)
        self.assertEqual(count("", 0).passed, 1)
        self.assertEqual(count("", 1).failed, 1)

    def test_a_check_is_its_exit_code(self):
        self.assertEqual(tally.check("anything", 0).closing_line(), "1 passed, 0 failed")
        self.assertEqual(tally.check("anything", 2).closing_line(), "0 passed, 1 failed")


if __name__ == "__main__":
    unittest.main()

"""How scripts/slither reads what slither prints (taken from 0.11.6). It runs no slither: the step `slither` does that."""

import importlib.machinery
import importlib.util
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "slither"
LOADER = importlib.machinery.SourceFileLoader("slither_step", str(SCRIPT))
slither = importlib.util.module_from_spec(importlib.util.spec_from_loader("slither_step", LOADER))
LOADER.exec_module(slither)

CLEAN = ". analyzed (87 contracts with 59 detectors), 0 result(s) found\n"
FINDING = """
Detector: uninitialized-local
TrainingCoordinator.commitBatch(CommitItem[]).fees (contracts/TrainingCoordinator.sol#192) is a local variable never initialized
. analyzed (87 contracts with 59 detectors), 1 result(s) found
"""
BLIND = "Impossible to generate IR for UsageBilling.{} (contracts/UsageBilling.sol#401-407):\n 'NoneType' object\n"
LIBRARY = "Impossible to generate IR for UsageBilling.constructor (node_modules/@openzeppelin/contracts/EIP712.sol#78-87):\n"


class VerdictTest(unittest.TestCase):
    def test_clean(self):
        self.assertEqual(slither.verdict(0, CLEAN), [])

    def test_a_finding_fails(self):
        self.assertEqual(slither.verdict(255, FINDING), ["1 open findings (exit code 255)"])

    def test_a_run_that_analyzed_nothing_fails(self):
        for code, output in ((1, "Traceback (most recent call last):"), (0, ""), (0, CLEAN.replace("87", "0"))):
            self.assertEqual(len(slither.verdict(code, output)), 1)

    def test_what_it_passes_over_has_to_be_listed(self):
        self.assertEqual(slither.verdict(0, BLIND.format("_deposit") + LIBRARY + CLEAN), [])
        self.assertIn("UsageBilling._settle", slither.verdict(0, BLIND.format("_settle") + CLEAN)[0])


if __name__ == "__main__":
    unittest.main()

"""Every custom error of the contracts is expected by a test, and every external function called by one.

It reads sources only: whether the tests hold is forge's business.
"""

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = sorted((ROOT / "contracts").rglob("*.sol"))
TESTS = sorted(
    path
    for room in ("unit", "invariant")
    for path in (ROOT / "tests/contracts" / room).rglob("*.sol")
)
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
ERROR = re.compile(r"\berror\s+(\w+_\w+)\s*\(")
# Up to the body or the semicolon; what is neither external nor public can't be called by a test.
FUNCTION = re.compile(r"\bfunction\s+(\w+)\s*\([^{;]*?\b(?:external|public)\b")
TREE_FILE = re.compile(r"\b(\w+\.t\.sol)\b")


def source(path):
    return COMMENT.sub(" ", path.read_text(encoding="utf-8"))


def found(pattern):
    """What the contracts declare, each name with the file that it is first seen in."""
    names = {}
    for path in CONTRACTS:
        for name in pattern.findall(source(path)):
            names.setdefault(name, path.relative_to(ROOT))
    return names


class ContractsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tests = {path: source(path) for path in TESTS}

    def test_there_is_something_to_look_at(self):
        self.assertGreater(len(found(ERROR)), 60)
        self.assertGreater(len(found(FUNCTION)), 100)
        self.assertGreater(len(self.tests), 30)

    def test_every_error_is_expected(self):
        expected = "\n".join(text for text in self.tests.values() if "expectRevert" in text or "bytes4 expected" in text)
        missing = [f"{name} ({path})" for name, path in found(ERROR).items() if f"{name}.selector" not in expected]
        self.assertEqual(missing, [])

    def test_every_external_function_is_called(self):
        text = "\n".join(self.tests.values())
        missing = [
            f"{name} ({path})"
            for name, path in found(FUNCTION).items()
            if not re.search(rf"\.{name}\s*(?:\(|,|\.selector\b)", text)
        ]
        self.assertEqual(missing, [])

    def test_trees_name_every_error_and_files_that_exist(self):
        trees = sorted((ROOT / "tests/contracts/unit").rglob("*.tree"))
        self.assertEqual([tree.stem for tree in trees], ["TrainingCoordinator", "UsageBilling"])
        for tree in trees:
            text = tree.read_text(encoding="utf-8")
            for name in TREE_FILE.findall(text):
                with self.subTest(tree=tree.name, file=name):
                    self.assertTrue((tree.parent / name).exists())
            for error in ERROR.findall(source(ROOT / f"contracts/interfaces/I{tree.stem}.sol")):
                with self.subTest(tree=tree.name, error=error):
                    self.assertRegex(text, rf"\b{error.split('_', 1)[1]}\b")


if __name__ == "__main__":
    unittest.main()

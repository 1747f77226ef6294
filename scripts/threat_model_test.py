"""That every test which docs/threat-model.md names is there. It runs none of them: the other steps do."""

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs/threat-model.md").read_text()
NAMED = re.compile(r"`([\w./-]+\.(?:sol|rs|mjs|py))::([^`]+)`")
DEFINED = {".sol": r"function {}\(", ".rs": r"fn {}\(", ".mjs": r"test\('{}'", ".py": r"def {}\("}
ROLES = ["Publisher", "Contributor", "Reader", "Gateway", "Relayer", "Worker", "Scheduler", "Developer", "User", "Curator",
         "Settlement token", "Forwarder", "RPC endpoint and reorg"]


def missing(file, name):
    """What is wrong with a name, None where the test is there."""
    path = next((path for path in (ROOT / "tests/contracts" / file, ROOT / file) if path.is_file()), None)
    if path is None:
        return f"{file}: there is no such file"
    if not re.search(DEFINED[path.suffix].format(re.escape(name)), path.read_text()):
        return f"{file}: there is no test {name}"
    return None


class ThreatModelTest(unittest.TestCase):
    def test_every_test_that_it_names_is_there(self):
        named = NAMED.findall(TEXT)
        self.assertGreater(len(named), 80)
        self.assertEqual([wrong for wrong in (missing(*name) for name in named) if wrong], [])

    def test_every_role_has_what_it_cannot_do_and_a_test_for_each(self):
        sections = {part.splitlines()[0].split(" (")[0]: part for part in TEXT.split("\n## ")[1:]}
        for role in ROLES:
            self.assertIn("| cannot | shown by |", sections[role], role)
            rows = [row for row in sections[role].splitlines() if row.startswith("| ") and "| cannot |" not in row]
            self.assertTrue(rows, role)
            for row in rows:
                self.assertTrue(NAMED.search(row), f"{role}: no test for: {row}")

    def test_a_name_that_is_gone_is_found(self):
        self.assertIn("no such file", missing("unit/None.t.sol", "test_A"))
        self.assertIn("no test test_A", missing("unit/Signatures.t.sol", "test_A"))


if __name__ == "__main__":
    unittest.main()

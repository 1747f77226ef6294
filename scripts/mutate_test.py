"""How scripts/mutate reads its lists, makes its copy and judges. No forge is run: the step `mutations` does that."""

import importlib.machinery
import importlib.util
import json
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "mutate"
LOADER = importlib.machinery.SourceFileLoader("mutate", str(SCRIPT))
mutate = importlib.util.module_from_spec(importlib.util.spec_from_loader("mutate", LOADER))
LOADER.exec_module(mutate)


def load(*entries, text="a = b; c = d;"):
    """What `load` makes of one list over a file with this text."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "lists").mkdir()
        (root / "Some.sol").write_text(text)
        (root / "lists/some.json").write_text(json.dumps([{"source": "Some.sol", "mutations": entries}]))
        return mutate.load(root / "lists", root)


def entry(**changed):
    return {"name": "one", "old": "a = b;", "new": "", "breaks": "a is never b", **changed}


class ListTest(unittest.TestCase):
    def test_every_mutation_of_the_repository_can_be_applied(self):
        mutations = mutate.load()
        self.assertGreaterEqual(len(mutations), 60)
        for name in ("AccessToken", "CollectionRegistry", "ModelRegistry", "TrainingCoordinator", "UsageBilling"):
            self.assertTrue([m for m in mutations if m.source == f"contracts/{name}.sol"], name)

    def test_an_old_text_that_is_gone_or_stands_twice_is_refused(self):
        for text in ("nothing of it", "a = b; a = b;"):
            with self.assertRaisesRegex(mutate.Unusable, "expected its old text once"):
                load(entry(), text=text)

    def test_a_change_that_changes_nothing_is_refused(self):
        with self.assertRaisesRegex(mutate.Unusable, "the same"):
            load(entry(new="a = b;"))

    def test_two_of_one_name_are_refused(self):
        with self.assertRaisesRegex(mutate.Unusable, "one name"):
            load(entry(), entry(old="c = d;"))

    def test_a_survivor_needs_words_and_a_field_has_to_be_known(self):
        with self.assertRaisesRegex(mutate.Unusable, "reason in words"):
            load(entry(survives="because"))
        with self.assertRaisesRegex(mutate.Unusable, "unknown field survivse"):
            load(entry(survivse="Nothing can tell the two apart from outside."))

    def test_it_is_applied_to_the_one_place(self):
        self.assertEqual(load(entry(new="a = c;"))[0].applied("a = b; c = d;"), "a = c; c = d;")


class VerdictTest(unittest.TestCase):
    def test_a_survivor_passes_only_where_it_is_listed(self):
        caught, listed = load(entry(), entry(name="two", old="c = d;", survives="It says the same in other words."))
        self.assertEqual(mutate.verdict(caught, "test_A"), "caught")
        self.assertEqual(mutate.verdict(caught, None), "SURVIVED")
        self.assertEqual(mutate.verdict(listed, None), "listed")
        self.assertEqual(mutate.verdict(listed, "test_A"), "stale reason")

    def test_the_failing_test_is_named_whatever_the_reason_says(self):
        for line in ("[FAIL] test_A() (gas: 1)", "[FAIL: .inclusion[0]: 0x1 != 0x2] test_A() (gas: 1)",
                     "[FAIL: assertion failed; counterexample: calldata=0x args=[1]] test_A(uint256) (runs: 1)"):
            self.assertEqual(mutate.FAILED.search(f"Ran 1 test\n{line}\n").group(1), "test_A")


class CopyTest(unittest.TestCase):
    def test_tests_deploy_what_the_other_project_built(self):
        made = mutate.CREATION.sub(mutate.deployment, "x = new UsageBilling(token, address(f));\n y =\n new MerkleCaller();")
        self.assertEqual(made, 'x = UsageBilling(vm.deployCode("code/out/UsageBilling.sol/UsageBilling.json", abi.encode('
                               'token, address(f))));\n y = MerkleCaller(vm.deployCode("code/out/MerkleCaller.sol/MerkleCaller.json"));')

    def test_every_contract_that_the_base_creates_is_deployed_so(self):
        base = mutate.for_tests(mutate.ROOT / "tests/contracts/Base.t.sol").decode()
        for name in ("AccessToken", "CollectionRegistry", "ModelRegistry", "TrainingCoordinator", "UsageBilling"):
            self.assertIn(f"code/out/{name}.sol/{name}.json", base)
            self.assertNotIn(f"new {name}(", base)


if __name__ == "__main__":
    unittest.main()

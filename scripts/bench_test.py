"""What scripts/bench refuses and lists. It measures nothing."""

import subprocess
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "bench"


def bench(*arguments):
    done = subprocess.run([str(SCRIPT), *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return done.returncode, done.stdout, done.stderr


class BenchTest(unittest.TestCase):
    def test_a_name_is_never_a_path(self):
        for name in ("../setup", "/bin/true", "a/b", "-x", "NAME", "no-such-bench"):
            with self.subTest(name):
                code, figures, said = bench(name)
                self.assertEqual((code, figures), (2, ""))
                self.assertIn("there is no benchmark", said)

    def test_without_a_name_it_says_how(self):
        code, figures, said = bench()
        self.assertEqual((code, figures), (2, ""))
        self.assertIn("Usage: scripts/bench NAME", said)

    def test_help_goes_to_standard_output(self):
        code, said, _ = bench("--help")
        self.assertEqual(code, 0)
        self.assertIn("Example: scripts/bench", said)


if __name__ == "__main__":
    unittest.main()

"""Programs of others that are built with Go: what is pinned, and what is said where they can't be had. It builds nothing."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from goprogram import UNAVAILABLE, GoProgram, Unavailable

ROOT = Path(__file__).resolve().parent.parent
NAMES = {"kubo": ("github.com/ipfs/kubo/cmd/ipfs", "ipfs"), "geth": ("github.com/ethereum/go-ethereum/cmd/geth", "geth")}


def script(name, *arguments, **options):
    return subprocess.run([ROOT / "scripts" / name, *arguments], text=True, timeout=120, capture_output=True, check=False, **options)


def alive(pid):
    """Whether a process runs; one that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class PinnedTest(unittest.TestCase):
    def test_each_module_names_one_version_and_a_digest_for_it(self):
        for name, (package, command) in NAMES.items():
            program = GoProgram(name, package, command)
            module = package.split("/cmd/")[0]
            self.assertRegex(program.version(), r"^v\d+\.\d+\.\d+$")
            sums = (program.module / "go.sum").read_text(encoding="utf-8")
            self.assertIn(f"{module} {program.version()} h1:", sums)
            text = (program.module / "go.mod").read_text(encoding="utf-8")
            self.assertIn(f"tool {package}", text)
            self.assertNotIn("replace ", text)

    def test_another_version_is_another_file(self):
        with tempfile.TemporaryDirectory() as folder:
            module = Path(folder, "scripts/kubo.d")
            shutil.copytree(ROOT / "scripts/kubo.d", module)
            program = GoProgram("kubo", *NAMES["kubo"], root=Path(folder))
            before = program.file()
            with open(module / "go.sum", "a", encoding="utf-8") as sums:
                sums.write("example.org/other v1.0.0 h1:x\n")
            self.assertNotEqual(program.file(), before)


class UnavailableTest(unittest.TestCase):
    def test_without_go_it_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(ROOT / "scripts/kubo.d", Path(folder, "scripts/kubo.d"))
            for name in ("kubo", "goprogram.py"):
                shutil.copy2(ROOT / "scripts" / name, Path(folder, "scripts", name))
            tools = Path(folder, "bin")
            tools.mkdir()
            for name in ("env", "python3"):
                (tools / name).symlink_to(shutil.which(name))
            env = {**os.environ, "PATH": str(tools)}
            for arguments in ([], ["build"], ["run", folder], ["run", folder, "--no-build"]):
                done = subprocess.run([Path(folder, "scripts/kubo"), *arguments], text=True, capture_output=True, timeout=60,
                                      env=env, stdin=subprocess.DEVNULL, check=False)
                self.assertEqual(done.returncode, UNAVAILABLE, done.stderr)
                self.assertRegex(done.stderr.strip(), r"^kubo: (Go is not on PATH|kubo is not built)")
                self.assertEqual(done.stdout, "")

    def test_a_module_that_does_not_build_says_why(self):
        if not shutil.which("go"):
            self.skipTest("Go is not on PATH")
        with tempfile.TemporaryDirectory() as folder:
            module = Path(folder, "scripts/odd.d")
            module.mkdir(parents=True)
            (module / "go.mod").write_text("module odd\n\ngo 1.24\n\nrequire (\n\tgithub.com/odd/odd v1.0.0\n)\n", encoding="utf-8")
            (module / "go.sum").write_text("", encoding="utf-8")
            with self.assertRaisesRegex(Unavailable, "odd v1.0.0 does not build here"):
                GoProgram("odd", "github.com/odd/odd/cmd/odd", "odd", root=Path(folder)).build(say=lambda text: None)


class NodeTest(unittest.TestCase):
    """With the node itself, where it was built."""

    def setUp(self):
        try:
            GoProgram("kubo", *NAMES["kubo"]).built()
        except Unavailable as reason:
            self.skipTest(str(reason))

    def test_a_node_ends_with_who_started_it(self):
        with tempfile.TemporaryDirectory() as folder:
            starter = subprocess.Popen(["sleep", "60"], stdout=subprocess.PIPE)
            node = subprocess.Popen([ROOT / "scripts/kubo", "run", Path(folder, "node")], stdin=starter.stdout,
                                    stdout=subprocess.PIPE, text=True)
            starter.stdout.close()
            said = json.loads(node.stdout.readline())
            self.assertTrue(alive(said["pid"]))
            for url in (said["api"], said["gateway"]):
                self.assertRegex(url, r"^http://127\.0\.0\.1:\d+$")
            # Whoever started it is killed, without a word to the node.
            starter.kill()
            starter.wait()
            deadline = time.monotonic() + 30
            while alive(said["pid"]) and time.monotonic() < deadline:
                time.sleep(0.1)
            self.assertFalse(alive(said["pid"]))
            node.wait(timeout=30)
            node.stdout.close()

    def test_a_command_is_run_with_a_node_and_its_exit_code_given(self):
        done = script("kubo", "with", "sh", "-c", "echo {api} {other}; exit 3")
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stdout, r"^http://127\.0\.0\.1:\d+ \{other\}\n$")


if __name__ == "__main__":
    unittest.main()

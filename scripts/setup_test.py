"""scripts/setup on a copy of what it reads, with the real npm.

It doesn't look at the repository's own node_modules, and downloads what npm's cache lacks.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ["package.json", "package-lock.json", ".npmrc", "Cargo.toml", "scripts/setup", "scripts/solc", "scripts/env"]
# What setup itself calls; anything else on PATH would hide what it needs.
COMMANDS = ["bash", "env", "uname", "sed", "head", "cut", "cat", "mkdir", "rm", "mv", "ln", "dirname", "sha256sum", "flock"]
NEEDED = ["cargo", "node", "npm", "python3", "cc"]
NO_NETWORK = {"npm_config_registry": "http://127.0.0.1:9", "npm_config_fetch_retries": "0"}


def copy_to(folder):
    for name in FILES:
        target = Path(folder) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    return Path(folder)


def tool(folder, name, answer):
    """An executable that says `answer`, to stand for another version of a tool."""
    path = Path(folder) / name
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


def setup(root, *arguments, path=None, **env):
    """Runs scripts/setup of `root`; returns its exit code and everything it said."""
    done = subprocess.run(
        ["bash", str(root / "scripts/setup"), *arguments], cwd="/", text=True, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **({"PATH": str(path)} if path else {}), **env})
    return done.returncode, done.stdout


class LockTest(unittest.TestCase):
    def test_names_no_host_and_a_digest_for_every_package(self):
        packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
        for name, package in packages.items():
            self.assertNotIn("resolved", package, name)
            if name:
                self.assertTrue(package["integrity"].startswith("sha512-"), name)

    def test_every_version_is_exact(self):
        package = json.loads((ROOT / "package.json").read_text())
        for kind in ("dependencies", "devDependencies", "optionalDependencies"):
            for name, version in package[kind].items():
                self.assertRegex(version, r"^\d+\.\d+\.\d+$", name)


class RefusalTest(unittest.TestCase):
    """A machine that lacks something is told what, and what to do."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = copy_to(Path(folder.name) / "clone")
        self.bin = Path(folder.name) / "bin"
        self.bin.mkdir()
        for name in COMMANDS:
            if found := shutil.which(name):
                (self.bin / name).symlink_to(found)
        for name, answer in (("cargo", "cargo 99.0.0"), ("node", "v99.0.0"), ("npm", "99.0.0"), ("python3", "Python 3.99.0"), ("cc", "cc")):
            tool(self.bin, name, answer)

    def refused(self, *words):
        code, said = setup(self.root, path=self.bin)
        self.assertEqual(code, 1, said)
        for word in (*words, "setup: next step: "):
            self.assertIn(word, said)
        self.assertFalse((self.root / ".tools/stamp").exists())

    def test_each_missing_tool_is_named(self):
        for name in NEEDED:
            with self.subTest(name):
                kept = (self.bin / name).read_text()
                (self.bin / name).unlink()
                self.refused(name)
                (self.bin / name).write_text(kept)
                (self.bin / name).chmod(0o755)

    def test_old_versions_are_refused_with_both_versions(self):
        for name, answer, have, want in (
            ("cargo", "cargo 1.94.9 (abc 2026-01-01)", "1.94.9", "1.95"),
            ("node", "v18.20.1", "18.20.1", "20"),
            ("npm", "8.19.4", "8.19.4", "9"),
            ("python3", "Python 3.8.10", "3.8.10", "3.9"),
        ):
            with self.subTest(name):
                kept = (self.bin / name).read_text()
                tool(self.bin, name, answer)
                self.refused(f"{name} is {have}; {want} or newer is needed")
                (self.bin / name).write_text(kept)

    def test_a_tool_that_does_not_tell_its_version_is_refused(self):
        tool(self.bin, "node", "nonsense")
        self.refused("node is of an unknown version")

    def test_a_shim_without_a_toolchain_is_refused(self):
        (self.bin / "cargo").write_text("#!/bin/sh\necho 'rustup could not choose a version' >&2\nexit 1\n")
        self.refused("'cargo --version' failed", "rustup could not choose a version")

    def test_unknown_argument(self):
        code, said = setup(self.root, "--fast", path=self.bin)
        self.assertEqual(code, 1)
        self.assertIn("unknown argument '--fast'", said)

    def test_without_network_it_says_so(self):
        # The real npm with an empty cache and a registry that nobody answers for.
        with tempfile.TemporaryDirectory() as cache:
            code, said = setup(self.root, npm_config_cache=cache, **NO_NETWORK)
        self.assertEqual(code, 1, said)
        self.assertIn("npm could not install the pinned packages", said)
        self.assertIn("check the network", said)
        self.assertFalse((self.root / ".tools/stamp").exists())


class InstallTest(unittest.TestCase):
    """One real installation, looked at from several sides."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = copy_to(Path(folder.name) / "a clone")
        cls.bin = Path(folder.name) / "bin"
        cls.bin.mkdir()
        cls.code, cls.said = setup(cls.root, npm_config_prefer_offline="true")
        if cls.code:
            raise AssertionError(cls.said)

    def link(self, name):
        return os.readlink(self.root / ".tools/bin" / name)

    def test_tools_answer_in_the_pinned_version(self):
        for name in ("forge", "anvil", "cast"):
            said = subprocess.run(
                ["bash", "-c", f'. "{self.root}/scripts/env" && {name} --version'],
                cwd="/", text=True, check=True, stdout=subprocess.PIPE).stdout
            self.assertIn("1.7.1", said.splitlines()[0])

    def test_a_second_run_is_instant_and_needs_no_network(self):
        began = time.monotonic()
        code, said = setup(self.root, **NO_NETWORK)
        self.assertEqual((code, said), (0, "setup: everything is in place\n"))
        # 0.3 s here; the rest is room for a machine that compiles meanwhile.
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(setup(self.root, "--quiet", **NO_NETWORK), (0, ""))

    def test_a_changed_lock_is_not_taken_for_installed(self):
        lock = self.root / "package-lock.json"
        kept = lock.read_text()
        lock.write_text(kept + "\n")
        try:
            with tempfile.TemporaryDirectory() as cache:
                code, said = setup(self.root, npm_config_cache=cache, **NO_NETWORK)
            self.assertEqual(code, 1, said)
        finally:
            lock.write_text(kept)
            self.assertEqual(setup(self.root, npm_config_prefer_offline="true")[0], 0)

    def test_a_tool_on_path_is_taken_in_the_pinned_version_only(self):
        mine = tool(self.bin, "anvil", "anvil Version: 1.7.1")
        tool(self.bin, "cast", "cast Version: 1.7.10")
        compiler = tool(self.bin, "solc", "Version: 0.8.37+commit.f401782d.Linux.g++")
        try:
            code, said = setup(self.root, "--force", path=f"{self.bin}{os.pathsep}{os.environ['PATH']}", npm_config_prefer_offline="true")
            self.assertEqual(code, 0, said)
            self.assertEqual(self.link("anvil"), str(mine))
            self.assertIn("node_modules", self.link("cast"))
            self.assertEqual(self.link("solc"), str(compiler))
        finally:
            shutil.rmtree(self.bin)
            self.bin.mkdir()
        # Gone from PATH: the stamp alone doesn't count.
        code, said = setup(self.root, npm_config_prefer_offline="true")
        self.assertEqual(code, 0, said)
        self.assertIn("node_modules", self.link("anvil"))
        self.assertFalse(os.path.lexists(self.root / ".tools/bin/solc"))

    def test_the_compiler_compiles(self):
        source = {"language": "Solidity", "sources": {"a.sol": {"content": "pragma solidity 0.8.37; contract A {}"}},
                  "settings": {"outputSelection": {"*": {"*": ["evm.bytecode.object"]}}}}
        done = subprocess.run([str(self.root / "scripts/solc"), "--standard-json"], input=json.dumps(source), text=True,
                              check=True, stdout=subprocess.PIPE)
        self.assertTrue(json.loads(done.stdout)["contracts"]["a.sol"]["A"]["evm"]["bytecode"]["object"])

    def test_the_compiler_refuses_what_it_does_not_do(self):
        done = subprocess.run([str(self.root / "scripts/solc"), "--bin", "a.sol"], text=True, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--standard-json", done.stderr)


if __name__ == "__main__":
    unittest.main()

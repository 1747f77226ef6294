"""How scripts/postgres runs a command with a cluster of its own. Skipped where there is no PostgreSQL."""

import os
import signal
import subprocess
import time
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "postgres"


def programs():
    found = subprocess.run([SCRIPT, "where"], capture_output=True, text=True, check=False)
    return Path(found.stdout.strip()) if found.returncode == 0 else None


def run(*words, **env):
    return subprocess.run([SCRIPT, "with", *map(str, words)], capture_output=True, text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, **env})


class UnavailableTest(unittest.TestCase):
    def test_where_there_is_none_the_reason_is_told(self):
        done = run("true", OFFSETDATA_POSTGRES_BIN="/nowhere")
        self.assertEqual(done.returncode, 77)
        self.assertIn("no PostgreSQL", done.stderr)


@unittest.skipUnless(programs(), "there is no PostgreSQL here")
class WithTest(unittest.TestCase):
    def test_the_command_has_a_server_and_its_exit_code_is_ours(self):
        query = "select current_user || ' of ' || current_database()"
        done = run("sh", "-c", f"\"$0\" '{{database}}' -Atc \"{query}\"; echo '{{api}}'; exit 5", programs() / "psql")
        self.assertEqual((done.returncode, done.stdout), (5, "offsetdata of postgres\n{api}\n"), done.stderr)

    def test_the_server_is_gone_afterwards(self):
        socket = run("sh", "-c", "echo '{database}' | sed 's/.*host=//; s/&.*//'").stdout.strip()
        self.assertTrue(socket.startswith("/tmp/"), socket)
        self.assertFalse(Path(socket).exists(), socket)

    def test_stopped_it_stops_the_command_and_the_server(self):
        told = "echo '{database}' | sed 's/.*host=//; s/&.*//'; exec sleep 60"
        running = subprocess.Popen([SCRIPT, "with", "sh", "-c", told], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        socket = running.stdout.readline().strip()
        self.assertTrue(Path(socket).exists(), socket)
        began = time.monotonic()
        running.send_signal(signal.SIGTERM)
        self.assertNotEqual(running.wait(timeout=30), 0)
        running.stdout.close()
        self.assertLess(time.monotonic() - began, 20)
        self.assertFalse(Path(socket).exists(), socket)


if __name__ == "__main__":
    unittest.main()

"""The network that the demo runs on, and commands against it. It tells no story."""

import json
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "offsetdata"
DEPLOYER, PUBLISHER, USER, DEVELOPER, WORKER, RELAYER, STRANGER = (f"dev:{i}" for i in range(7))


class Failed(Exception):
    """Something is not as it should be."""


def say(text: str) -> None:
    print(text, flush=True)


def check(holds: bool, text: str) -> None:
    if not holds:
        raise Failed(text)
    say(f"  ok  {text}")


def until(what: str, ask, seconds: float = 60):
    """What `ask` gives as soon as it gives something."""
    deadline = time.monotonic() + seconds
    while True:
        if found := ask():
            return found
        if time.monotonic() > deadline:
            raise Failed(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.3)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Network:
    """`offsetdata dev` in a folder of its own, and commands against it."""

    def __init__(self, folder: Path, default_ports: bool, rpc_url: str | None = None, kubo: str | None = None,
                 database_url: str | None = None):
        self.folder = folder
        rpc, indexer, relayer, gateway, blocks = (8545, 8450, 8460, 8470, 8480) if default_ports else free_ports(5)
        command = [PROGRAM, "dev", "--dir", folder, "--indexer-port", indexer]
        command += ["--rpc-url", rpc_url] if rpc_url else ["--rpc-port", rpc]
        command += ["--relayer-port", relayer, "--gateway-port", gateway, "--blocks-port", blocks, "--json"]
        self.env = {
            **os.environ,
            "OFFSETDATA_RPC_URL": rpc_url or f"http://127.0.0.1:{rpc}",
            "OFFSETDATA_INDEXER_URL": f"http://127.0.0.1:{indexer}",
            "OFFSETDATA_BLOCKS": str(folder / "blocks"),
            "OFFSETDATA_GATEWAY_URL": f"http://127.0.0.1:{gateway}",
            "OFFSETDATA_RELAYER_URL": f"http://127.0.0.1:{relayer}",
        }
        # Blocks go to the node, and into the folder too, where the demo alters them.
        at_node = {"OFFSETDATA_KUBO": kubo, "OFFSETDATA_KUBO_KEEP_LOCAL": "true"} if kubo else {}
        self.env |= at_node
        # In the environment, as arguments are seen by other users.
        in_database = {"OFFSETDATA_DEV_DATABASE": database_url} if database_url else {}
        self.relayer_url = f"http://127.0.0.1:{relayer}"
        self.graphql_url = f"http://127.0.0.1:{indexer}/graphql"
        words = [str(word) for word in command]
        self.process = subprocess.Popen(words, cwd=ROOT, env={**os.environ, **at_node, **in_database}, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 300
        while not (folder / "ready.json").exists():
            if self.process.poll() is not None:
                raise Failed(f"the network did not start; logs are in {folder / 'logs'}")
            if time.monotonic() > deadline:
                raise Failed(f"the network was not ready within 300 s; logs are in {folder / 'logs'}")
            time.sleep(0.1)
        self.ready = json.loads((folder / "ready.json").read_text())

    def run(self, *words: object, account: str | None = None, fails: bool = False, here: bool = False) -> dict:
        """One command; its JSON. With `fails` it has to fail, and what it said is given. With `here` it has the folder's
        blocks alone: a node would mend what is altered there."""
        command = [str(PROGRAM), *map(str, words), "--json"] + (["--as", account] if account else [])
        env = {name: value for name, value in self.env.items() if not (here and name.startswith("OFFSETDATA_KUBO"))}
        result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600)
        if fails:
            if result.returncode == 0:
                raise Failed(f"{' '.join(command[1:3])} should have failed")
            said = result.stdout.strip().splitlines()
            return {**(json.loads(said[-1]) if said else {}), "error": result.stderr.strip(), "code": result.returncode}
        if result.returncode != 0:
            raise Failed(f"{' '.join(command[1:])}\n{result.stderr.strip()}")
        return json.loads(result.stdout.strip().splitlines()[-1])

    def watch(self, request: str) -> dict:
        """Watches a training, line by line as it comes; the last line is the result."""
        command = [str(PROGRAM), "train", "watch", request, "--json"]
        watching = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=subprocess.PIPE, text=True)
        live, last = 0, {}
        for line in watching.stdout:
            last = json.loads(line)
            if last.get("event") == "commitment":
                live += 1
                values = {k: f"{v:.4f}" for k, v in last["last"].items() if v is not None}
                say(f"      commitment {last['sequence']:>3}  block {last['block']:>4}  {values}")
        if watching.wait() != 0:
            raise Failed("watching the training failed")
        return {**last, "live": live}

    def graphql(self, query: str, variables: dict) -> dict:
        body = json.dumps({"query": query, "variables": variables}).encode()
        ask = urllib.request.Request(self.graphql_url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(ask, timeout=20) as answer:
            value = json.load(answer)
        if value.get("errors"):
            raise Failed(f"GraphQL: {value['errors']}")
        return value["data"]

    def pids(self, *services: str) -> list[int]:
        """Process ids of these services."""
        found = []
        for pid in map(int, (self.folder / "pids").read_text().split()):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if len(words) > 1 and words[1].decode() in services:
                found.append(pid)
        return found

    def blocks(self) -> set[Path]:
        """Files of blocks that collections are made of."""
        return {file for file in self.folder.glob("blocks/??/*") if file.is_file()}

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()


def new_account(network: Network, path: Path, tokens: int) -> str:
    """An account that has tokens and no ETH."""
    path.touch(mode=0o600)
    path.write_text("0x" + secrets.token_hex(32) + "\n")
    address = network.run("account", "show", account=path)["address"]
    network.run("account", "mint", tokens, "--to", address, account=DEPLOYER)
    shown = network.run("account", "show", account=path)
    check(shown["native"] == "0" and int(shown["token"]) == tokens, f"{address} has {tokens} tokens and no ETH")
    return address

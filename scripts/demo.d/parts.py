"""Whether a node really has the blocks and a database really has the rows, asked past every program of ours."""

import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from network import ROOT, Failed, Network, check, say


def check_node(network: Network, kubo: str, collections: list[dict], training: dict) -> None:
    say("\nThe IPFS node, asked itself")
    for manifest, chunks in ((one["manifest"], network.run("collection", "show", one["id"])["chunks"]) for one in collections):
        pinned = ask(kubo, "pin/ls", arg=manifest, type="recursive")["Keys"]
        check(pinned[manifest]["Type"] == "recursive", f"manifest {manifest} is pinned with all that it reaches")
        reached = ask(kubo, "refs", arg=manifest, recursive="true", unique="true", offline="true")
        check(len(reached) == chunks + 1, f"{len(reached)} blocks below it are there: its page and {chunks} chunks")
    query = """query($request: Bytes32!) { trainingRequest(id: $request) { commitments(first: 100) { edges { node { pointsCid } } } } }"""
    edges = network.graphql(query, {"request": training["requestId"]})["trainingRequest"]["commitments"]["edges"]
    points = [edge["node"]["pointsCid"] for edge in edges]
    check(len(points) == training["commitments"], f"{len(points)} commitments name a block of points each")
    kept = [ask(kubo, "pin/ls", arg=cid)["Keys"] for cid in points]
    check(all(cid in keys for cid, keys in zip(points, kept)), "all of them are pinned")


def ask(kubo: str, command: str, **words: str):
    """What `ipfs COMMAND` says, by the node's RPC: one value, or a list where it streams."""
    url = f"{kubo}/api/v0/{command}?{urllib.parse.urlencode(words)}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=60) as answer:
            lines = answer.read().decode().splitlines()
    except urllib.error.HTTPError as error:
        raise Failed(f"ipfs {command} {words['arg']}: {error.read().decode()[:300]}") from None
    values = [json.loads(line) for line in lines if line]
    if any("Err" in value and value["Err"] for value in values):
        raise Failed(f"ipfs {command} {words['arg']}: {values[-1]}")
    return values if command == "refs" else values[0]


def check_database(network: Network, url: str, collections: list[str], training: dict) -> None:
    say("\nPostgreSQL, asked itself")
    version = rows(url, "show server_version")[0]
    ids = ", ".join(f"'\\x{one[2:]}'" for one in collections)
    found = rows(url, f"select count(*) from collections where id in ({ids})")[0]
    check(found == str(len(collections)), f"version {version} has both collections")
    request = f"'\\x{training['requestId'][2:]}'"
    for expected, of, table in (
        (training["commitments"], "commitments on chain", "commitments"),
        (training["points"], "metric points", "metric_points"),
        (1, "version of the model", "versions"),
        (training["commitments"], "commitments as the relayer took them", "relay_commitments"),
        (1, "trained request at the gateway", "gateway_trainings"),
    ):
        count = rows(url, f"select count(*) from {table} where request = {request}")[0]
        check(count == str(expected), f"{count} {of}")
    writers = rows(url, "select 'chain' from chain_leases union all select 'relay' from relay_leases union all select 'gateway' from gateway_leases")
    check(len(writers) == 3, "indexer, relayer and gateway hold their leases there")
    check(not list(network.folder.glob("*.db*")), "and there is no other database")


def rows(url: str, query: str) -> list[str]:
    found = subprocess.run([ROOT / "scripts" / "postgres", "where"], capture_output=True, text=True, check=False)
    program = Path(found.stdout.strip()) / "psql" if found.returncode == 0 else Path("psql")
    done = subprocess.run([program, url, "--no-psqlrc", "-qAtc", query], capture_output=True, text=True, timeout=60,
                          check=False, env={**os.environ, "PGCONNECT_TIMEOUT": "10"})
    if done.returncode != 0:
        raise Failed(f"psql: {done.stderr.strip()}")
    return done.stdout.splitlines()

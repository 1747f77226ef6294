"""The data circle: published, verified, sold, read, settled, revoked, audited."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from network import DEPLOYER, PUBLISHER, ROOT, Failed, Network, check, new_account, say

RECORD_PRICE, TRAIN_PRICE, PREVIEW, CHUNK = 3, 2, 20, 128


def publish(network: Network, folder: Path) -> dict:
    say("\nA publishes scikit-learn's digits")
    subprocess.run([sys.executable, ROOT / "tests/data/digits/png.py", folder], check=True, stdout=subprocess.DEVNULL)
    published = network.run(
        "publish", folder, "--name", "Digits", "--licence", "CC-BY-4.0", "--chunk-records", 128,
        "--source", "https://doi.org/10.24432/C50P49",
        "--description", "1,797 images of hand-written digits, 8×8 pixels, as scikit-learn carries them.",
        account=PUBLISHER,
    )
    check(published["records"] == 1797, f"1,797 records in {published['chunks']} chunks, root {published['root']}")
    verified = network.run("collection", "verify", published["id"], "--on-chain", 10)
    check(verified["verified"] == 1797, "all records hold against the root on chain")
    check(verified["verifiedOnChain"] == 10, f"the contract verified 10 of them, at most {verified['verifyGas']} gas each")
    # The largest block is a chunk: it holds 128 records where the others hold one description.
    chunk = max(network.blocks(), key=lambda file: file.stat().st_size)
    whole = chunk.read_bytes()
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 1
    chunk.write_bytes(flipped)
    refused = network.run("collection", "verify", published["id"], fails=True, here=True)["error"]
    chunk.write_bytes(whole)
    said = next((line for line in refused.splitlines() if line.startswith("error:")), refused)
    check("expected" in refused and "found" in refused, f"a flipped byte is refused: {said}")
    check(network.run("collection", "verify", published["id"])["verified"] == 1797, "the whole collection holds again")
    return {
        "id": published["id"], "records": published["records"], "root": published["root"],
        "manifest": published["manifest"], "registerGas": published["registerGas"], "verifyGas": verified["verifyGas"],
    }


def settled(network: Network, collection: str, account: object, charged: int) -> dict:
    """The reader's statement, once nothing is open."""
    deadline = time.monotonic() + 60
    while True:
        statement = network.run("billing", "statement", collection, account=account)
        if statement["open"] == "0" and int(statement["onChain"]) == charged:
            return statement
        if time.monotonic() > deadline:
            raise Failed(f"not settled within 60 s: {statement}")
        time.sleep(0.5)


def publish_private(network: Network, folder: Path, work: Path) -> dict:
    say("\nA publishes them again, encrypted and priced by the record; the first 20 are free")
    words = ["publish", folder, "--name", "Digits, sold", "--licence", "CC-BY-4.0", "--chunk-records", CHUNK, "--private"]
    words += ["--preview", PREVIEW, "--price-per-record", RECORD_PRICE, "--train-price", TRAIN_PRICE]
    words += ["--recovery", work / "recovery.json", "--gateway", network.env["OFFSETDATA_GATEWAY_URL"]]
    before = network.blocks()
    published = network.run(*words, account=PUBLISHER)
    check(published["private"] and published["sealedTo"], f"{published['records']} records in {published['chunks']} chunks")
    chunk = max(network.blocks() - before, key=lambda file: file.stat().st_size)
    return {**published, "chunk": chunk}


def sell(network: Network, published: dict, work: Path) -> dict:
    sold = published["id"]
    reader, stranger = work / "reader.key", work / "stranger.key"
    say("\nB, who has no ETH and no deposit, tries to read")
    address = new_account(network, reader, 3_000_000)
    refused = network.run("fetch", sold, account=reader, fails=True)
    check(refused["records"] == PREVIEW, f"B reads the free preview of {PREVIEW}")
    check(refused["refused"] == "unfunded", f"and is refused the rest: {refused['stopped']}")

    say("\nB takes the metered offer by signatures only, and reads")
    cap = RECORD_PRICE * published["records"]
    taken = network.run("access", "take", sold, "--cap", cap, "--purse", work / "purse.json", account=reader)
    check(taken["spender"] != address, f"a spender key may spend {cap} for B; nothing was sent to the chain")
    out = work / "read.jsonl"
    read = network.run("fetch", sold, "--purse", work / "purse.json", "--out", out, account=reader)
    charged, expected = int(read["charged"]), RECORD_PRICE * (published["records"] - PREVIEW)
    check(read["verified"] == published["records"], f"all {read['verified']} records, each verified against the root on chain")
    check(charged == expected, f"{charged} charged, {RECORD_PRICE} for each record beyond the preview")
    with out.open() as lines:
        check(sum(1 for _ in lines) == published["records"], "and written as JSON Lines")
    again = network.run("fetch", sold, "--purse", work / "purse.json", "--range", "100..200", account=reader)
    check(int(again["charged"]) == 0 and again["verified"] == 100, "100 of them again cost nothing")
    new_account(network, stranger, 1_000_000)
    network.run("access", "take", sold, "--cap", RECORD_PRICE * CHUNK, "--purse", work / "small.json", account=stranger)
    capped = network.run("fetch", sold, "--purse", work / "small.json", account=stranger, fails=True)
    within = capped["refused"] == "overCap" and int(capped["charged"]) <= RECORD_PRICE * CHUNK
    check(within, f"D reads nothing past the cap of its key: {capped['stopped']}")

    say("\nSettlement")
    network.run("billing", "settle", sold, account=PUBLISHER)
    statement = settled(network, sold, reader, charged)
    check(int(statement["settled"]) == charged, f"B's statement: {charged} charged, settled and on chain, to the wei")
    settled(network, sold, stranger, int(capped["charged"]))
    sales = network.run("billing", "sales", sold, account=PUBLISHER)
    paid = int(sales["settled"])
    check(sales["equal"] and paid == charged + int(capped["charged"]), f"A's statement: {paid}, equal to the chain")
    collected = network.run("billing", "collect", sold, account=PUBLISHER)
    check(int(collected["collected"]) == paid, f"A is paid {paid}, out of allowances")

    say("\nA revokes")
    network.run("access", "deny", sold, "--account", address, account=PUBLISHER)
    time.sleep(2.5)
    denied = network.run("fetch", sold, "--purse", work / "purse.json", "--range", "300..310", account=reader, fails=True)
    check(denied["refused"] == "denied", "B gets no further key")
    return {
        "records": read["records"], "verified": read["verified"], "refusedWithoutAccess": refused["refused"] == "unfunded",
        "charged": charged, "paid": int(statement["onChain"]), "rereadCharged": int(again["charged"]),
        "refusedAfterRevoke": denied["refused"] == "denied",
    }


def audit(network: Network, published: dict, work: Path) -> dict:
    chunk = published["chunk"]
    say("\nAn audit with indexer and gateway stopped")
    asleep = network.pids("indexer", "gateway")
    check(len(asleep) == 2, "both are asleep")
    for pid in asleep:
        os.kill(pid, signal.SIGSTOP)
    try:
        words = ["audit", "collection", published["id"], "--index", 77, "--range", "100..300"]
        proven = network.run(*words, "--recovery", work / "recovery.json")
        check(proven["ok"], "record 77 is in it, the ranges hold, all chunks are as published")
        whole = chunk.read_bytes()
        chunk.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        tampered = network.run(*words, fails=True, here=True)
        chunk.write_bytes(whole)
        check(tampered["tampered"] and tampered["code"] == 1, f"a changed byte of {chunk.name} is found")
    finally:
        for pid in asleep:
            os.kill(pid, signal.SIGCONT)
    return {"ok": proven["ok"], "tamperDetected": tampered["tampered"]}


def forgive(network: Network, published: dict, reader: Path) -> None:
    address = network.run("account", "show", account=reader)["address"]
    network.run("access", "deny", published["id"], "--account", address, "--lift", account=PUBLISHER)
    say("\nA takes B's denial back")

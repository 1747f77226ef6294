"""The training circle: a model on private, paid data; used, retrained, opened, cancelled, audited."""

import json
import os
import signal
import time
import urllib.request
from pathlib import Path

from data_circle import TRAIN_PRICE
from network import DEVELOPER, PUBLISHER, RELAYER, Failed, Network, check, say, until

UNIT_PRICE, RELAY_FEE = 5, 1000
GOAL = 0.97
SPLIT = ["--validation", 10, "--test", 20]


class Circle:
    """One base, one project, and the accounts of the story."""

    def __init__(self, network: Network, sold: dict, user: Path, stranger: Path):
        self.network, self.collection = network, sold["id"]
        self.records, self.user, self.stranger = sold["records"], user, stranger
        accounts = network.ready["accounts"]
        self.worker = accounts["worker"]["address"]
        self.base = network.run(
            "base", "publish", "--name", "Small CNN", "--trainer", "image-classifier", "--unit-price", UNIT_PRICE,
            "--scheduler", accounts["relayer"]["address"], "--worker", self.worker, account=DEVELOPER,
        )["id"]
        self.project = self.paid("project", "create", "--name", "Handwriting")["id"]

    def paid(self, *words: object) -> dict:
        """A command of B, whose transactions the relayer pays for."""
        return self.network.run(*words, "--sponsor", self.network.relayer_url, account=self.user)

    def model(self, name: str) -> str:
        return self.paid("model", "request", "--project", self.project, "--base", self.base, "--name", name)["id"]

    def request(self, model: str, *words: object) -> dict:
        return self.paid(
            "train", "request", "--model", model, "--collection", self.collection, "--seed", 7, *SPLIT,
            "--relay-fee", RELAY_FEE, *words)

    def result(self, request: str) -> dict:
        return self.network.run("train", "result", request)

    def ended(self, request: str, status: str) -> dict:
        """The result, once the request has ended."""
        def ask():
            result = self.result(request)
            return result if result["status"] not in ("OPEN", "CANCELLING") else None

        result = until(f"the end of {request}", ask, 120)
        if result["status"] != status:
            raise Failed(f"{request} is {result['status']}, expected {status}")
        return result

    def job(self, request: str) -> dict:
        with urllib.request.urlopen(f"{self.network.relayer_url}/v1/jobs?limit=50", timeout=20) as answer:
            return next((job for job in json.load(answer) if job["request"] == request), {})


def private(circle: Circle) -> dict:
    network = circle.network
    say("\nC offers a base; B, who has no ETH, opens a project and requests a restricted model")
    model = circle.model("Digits")
    shown = network.run("model", "show", model)
    check(not shown["public"], f"model {model}, for B alone")
    refused = network.run(
        "train", "request", "--model", model, "--collection", circle.collection, account=circle.stranger, fails=True)
    check("NotAllowed" in refused["error"], "D may not train it")

    say("\nA does not trust C's worker yet")
    untrusted = circle.request(model, "--set", "epochs=1")
    ended = circle.ended(untrusted["request"], "FAILED")
    reason = circle.job(untrusted["request"]).get("reason") or ""
    check("trust" in reason, f"it gets no key: {reason}")
    money = ended["payments"]
    check(int(money["developer"]["amount"]) == 0 and int(money["dataPaid"]) == 0, "nobody is paid for it")

    say("\nA trusts it; B has the model trained on A's encrypted records")
    network.run(
        "access", "trust", circle.collection, "--worker", circle.worker, "--trainer", "image-classifier",
        account=PUBLISHER)
    time.sleep(2.5)
    requested = circle.request(model)
    escrow = int(requested["escrow"])
    check(True, f"{escrow} escrowed for at most {requested['unitLimit']} units and {circle.records} records")
    watched = network.watch(requested["request"])
    check(watched["status"] == "SETTLED", f"settled after {watched['commitments']} commitments, {watched['points']} points")
    check(watched["live"] >= 2, f"loss, accuracy and validation came in {watched['live']} steps while it trained")
    check(watched["accuracy"] >= GOAL, f"accuracy on the held-out part {watched['accuracy']:.4f} (goal {GOAL})")

    say("\nThe money, to the wei")
    data = circle.records * TRAIN_PRICE
    result = until("A's pay", lambda: paid_for(circle.result(requested["request"]), data), 90)
    payments = result["payments"]
    developer, relayers, refunded = (int(x) for x in (payments["developer"]["amount"], payments["relayers"], payments["refunded"]))
    check(developer == result["units"] * UNIT_PRICE, f"C gets {developer} for {result['units']} units at {UNIT_PRICE}")
    check(relayers == (result["commitments"] + 1) * RELAY_FEE, f"the relayer {relayers} for {result['commitments'] + 1} landings at {RELAY_FEE}")
    check(int(payments["dataPaid"]) == data, f"A {data} for {circle.records} records at {TRAIN_PRICE}, by the worker's receipt")
    check(developer + relayers + data + refunded == escrow and payments["addsUp"], f"B gets the rest back: {refunded}")
    before = int(network.run("account", "show", account=circle.user)["token"])
    owed = int(network.run("account", "show", account=circle.user)["credit"])
    after = int(circle.paid("account", "withdraw")["token"])
    check(after == before + owed and owed >= refunded, f"B has taken out {owed}")
    return {
        "requestId": requested["request"], "modelId": model, "accuracy": watched["accuracy"],
        "commitments": watched["commitments"], "points": watched["points"],
        "settled": str(developer + relayers + data), "refunded": str(refunded), "escrow": str(escrow),
        "units": result["units"], "seriesRoot": watched["seriesRoot"],
    }


def paid_for(result: dict, data: int) -> dict | None:
    return result if int(result["payments"]["dataPaid"]) >= data else None


def use(circle: Circle, training: dict, records: Path) -> dict:
    network, model = circle.network, training["modelId"]
    say("\nB uses the model")
    words = ["model", "predict", model, "--records", records, "--relayer", network.relayer_url]
    predicted = network.run(*words, "--split", "test", account=circle.user)
    same = abs(predicted["accuracy"] - training["accuracy"]) < 1e-6
    check(same, f"{predicted['records']} held-out digits: accuracy {predicted['accuracy']:.6f}, counted here, equals the committed one")
    refused = network.run(*words, "--limit", 10, account=circle.stranger, fails=True)
    check("may not use" in refused["error"] or "notAllowed" in refused["error"], "D is refused")
    training["recomputedAccuracy"] = predicted["accuracy"]
    return {"records": predicted["records"], "refusedForStranger": refused["code"] != 0}


def retrain(circle: Circle, training: dict) -> dict:
    network = circle.network
    say("\nB retrains it with another learning rate, and compares")
    child = circle.paid("train", "retrain", training["requestId"], "--set", "learningRate=0.004")
    check(child["parent"] == training["requestId"], f"request {child['request']} names its parent")
    watched = network.watch(child["request"])
    check(watched["status"] == "SETTLED", f"version 2, accuracy {watched['accuracy']:.4f}")
    compared = network.run("train", "compare", training["requestId"], child["request"])
    check("learningRate" in json.dumps(compared), "the learning rate is what differs")
    return {"requestId": child["request"], "parent": child["parent"], "accuracy": watched["accuracy"]}


def open_up(circle: Circle, model: str, records: Path) -> None:
    network = circle.network
    say("\nB edits the model's description and opens it to everyone")
    circle.paid("model", "edit", model, "--name", "Digits, version 2", "--description", "Reads hand-written digits.")
    circle.paid("model", "access", model, "--public")
    shown = network.run("model", "show", model)
    check(shown["public"], "it is public now")
    words = ["model", "predict", model, "--records", records, "--relayer", network.relayer_url, "--limit", 10]
    said = until("D's prediction", lambda: attempt(network, words, circle.stranger), 30)
    check(said["records"] == 10, f"D predicts: {said['correct']} of {said['labelled']} right")


def attempt(network: Network, words: list, account: object) -> dict | None:
    """A right counts some blocks after it was given."""
    try:
        return network.run(*words, account=account)
    except Failed:
        return None


def cancel(circle: Circle) -> dict:
    network = circle.network
    say("\nB cancels a third training, of a second model, in the middle; then deletes that model")
    model = circle.model("Digits, another try")
    request = circle.request(model, "--set", "epochs=60")["request"]
    until("its second commitment", lambda: circle.result(request)["commitments"] >= 2, 120)
    ended = circle.paid("train", "cancel", request)
    check(ended["status"] == "CANCELLED", f"cancelled after {ended['units']} units")
    check(int(ended["developerPaid"]) > 0 and int(ended["relayPaid"]) > 0, f"{ended['paid']} paid for what was committed")
    check(int(ended["refunded"]) > 0, f"{ended['refunded']} of {ended['escrow']} come back")
    circle.paid("model", "delete", model, "--yes")
    shown = network.run("model", "show", model)
    check(shown["deleted"] and request in json.dumps(shown), "the second model is deleted; its history stays")
    again = network.run(
        "train", "request", "--model", model, "--collection", circle.collection, account=circle.user, fails=True)
    check("Deleted" in again["error"], "and it takes no new request")
    return {"paid": ended["paid"], "refunded": ended["refunded"]}


def audit(circle: Circle, training: dict, recovery: Path, work: Path) -> dict:
    network = circle.network
    say("\nAn audit of the model with indexer, gateway, relayer and worker stopped")
    asleep = network.pids("indexer", "gateway", "relayer", "worker")
    check(len(asleep) == 4, "all four are asleep")
    for pid in asleep:
        os.kill(pid, signal.SIGSTOP)
    try:
        words = ["audit", "model", training["modelId"], "--request", training["requestId"]]
        evidence = work / "evidence.json"
        whole = network.run(*words, "--recovery", recovery, "--re-execute", "--export", evidence)
        check(whole["ok"], "terms, split, worker, points, receipts and payments hold")
        check(whole["reexecuted"], "trained again from the same records: the series root is equal")
        found = []
        for what in ("points", "receipts"):
            altered = work / f"altered-{what}.json"
            altered.write_text(alter(evidence.read_text(), what))
            refused = network.run(*words, "--evidence", altered, fails=True)
            found.append(refused["code"] == 1)
            check(found[-1], f"a changed byte of its {what} is found: {reason_of(refused)}")
        record = max(network.blocks(), key=lambda file: file.stat().st_size)
        before = record.read_bytes()
        record.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        refused = network.run(*words, "--recovery", recovery, "--re-execute", fails=True, here=True)
        record.write_bytes(before)
        found.append(refused["code"] == 1)
        check(found[-1], f"a changed byte of a record is found: {reason_of(refused)}")
    finally:
        for pid in asleep:
            os.kill(pid, signal.SIGCONT)
    return {"ok": whole["ok"], "tamperDetected": all(found), "reexecuted": bool(whole["reexecuted"])}


def alter(text: str, what: str) -> str:
    """One bit changed in the points of a commitment, or in a receipt."""
    evidence = json.loads(text)
    statement, field = {
        "points": (evidence["commitments"][0], "points"), "receipts": (evidence["receipts"][-1], "receipt"),
    }[what]
    held = bytearray.fromhex(statement[field][2:])
    held[-1] ^= 1
    statement[field] = "0x" + held.hex()
    return json.dumps(evidence)


def reason_of(refused: dict) -> str:
    """What does not hold, in the audit's words."""
    found = [finding for finding in refused["findings"] if finding["state"] == "failed"]
    return f"{found[0]['about']}: {found[0]['says']}" if found else "nothing is named"


def walk(network: Network, sold: dict, user: Path, stranger: Path, work: Path) -> dict:
    circle = Circle(network, sold, user, stranger)
    training = private(circle)
    records = work / "read.jsonl"
    predict = use(circle, training, records)
    retrained = retrain(circle, training)
    open_up(circle, training["modelId"], records)
    cancelled = cancel(circle)
    audited = audit(circle, training, work / "recovery.json", work)
    return {"training": training, "retrain": retrained, "cancel": cancelled, "predict": predict, "audit": audited}

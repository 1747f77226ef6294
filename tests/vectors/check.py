#!/usr/bin/env python3
"""Recomputes the golden vectors from docs/protocol.md with the standard library alone: a second implementation.

Leaves out what needs AES, BLAKE3 or a CBOR reader. Ends with a line "N passed, N failed".
"""
import hashlib
import hmac
import json
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).parent
passed = failed = 0


def load(name):
    return json.loads((HERE / f"{name}.json").read_text())


def raw(text):
    return bytes.fromhex(text.removeprefix("0x"))


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf(*parts):
    return sha(b"\x00", *parts)


def node(left, right):
    return sha(b"\x01", left, right)


def root(leaves):
    """RFC 9162 section 2.1.1, by its definition."""
    if not leaves:
        return sha()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return node(root(leaves[:k]), root(leaves[k:]))


def subproof(m, leaves, whole):
    if m == len(leaves):
        return [] if whole else [root(leaves)]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if m <= k:
        return subproof(m, leaves[:k], whole) + [root(leaves[k:])]
    return subproof(m - k, leaves[k:], False) + [root(leaves[:k])]


def path(m, leaves):
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if m < k:
        return path(m, leaves[:k]) + [root(leaves[k:])]
    return path(m - k, leaves[k:]) + [root(leaves[:k])]


def from_path(index, size, hash_, proof):
    """Root that an inclusion proof leads to, by the tree's definition."""
    if size == 1:
        return hash_ if not proof else None
    k = 1 << (size - 1).bit_length() - 1
    if not proof:
        return None
    if index < k:
        left, right = from_path(index, k, hash_, proof[:-1]), proof[-1]
    else:
        left, right = proof[-1], from_path(index - k, size - k, hash_, proof[:-1])
    return node(left, right) if left and right else None


def hkdf(secret, info):
    prk = hmac.digest(b"offsetdata/chunk/1", secret, "sha256")
    return hmac.digest(prk, info + b"\x01", "sha256")


def expect(what, actual, expected):
    global passed, failed
    if actual == expected:
        passed += 1
    else:
        failed += 1
        print(f"{what}: expected {expected!r}, computed {actual!r}", file=sys.stderr)


def check_leaves():
    for i, case in enumerate(load("record_leaf")["cases"]):
        record, salt = raw(case["record"]), raw(case["salt"])
        expect(f"public leaf {i}", leaf(record), raw(case["publicLeaf"]))
        expect(f"private leaf {i}", leaf(salt, record), raw(case["privateLeaf"]))


def check_merkle():
    vectors = load("merkle")
    small = 1000
    leaves = [leaf(struct.pack(">I", i)) for i in range(small)]
    expect("empty root", sha(), raw(vectors["emptyRoot"]))
    for case in vectors["roots"]:
        if case["size"] <= small:
            expect(f"root of {case['size']}", root(leaves[: case["size"]]), raw(case["root"]))
    for case in vectors["inclusion"]:
        size, index, proof = case["size"], case["index"], [raw(p) for p in case["proof"]]
        what = f"inclusion of {index} in {size}"
        expect(what + ", leaf", leaf(struct.pack(">I", index)), raw(case["leaf"]))
        expect(what, from_path(index, size, raw(case["leaf"]), proof), raw(case["root"]))
        if size <= small:
            expect(what + ", proof", path(index, leaves[:size]), proof)
    for case in vectors["consistency"]:
        old, new = case["oldSize"], case["newSize"]
        if new <= small:
            proof = [raw(p) for p in case["proof"]]
            expect(f"consistency of {old} and {new}", subproof(old, leaves[:new], True), proof)
            expect(f"old root of {old}", root(leaves[:old]), raw(case["oldRoot"]))


def check_chunks():
    for case in load("chunk")["cases"]:
        name, ciphertext = case["visibility"], raw(case["ciphertext"])
        header = b"offsetdata.chunk" + raw(case["series"])
        header += struct.pack(">IIIB", case["ordinal"], case["first"], case["count"], case["codec"])
        expect(f"{name} header", header, raw(case["header"]))
        secret = hkdf(raw(case["collectionKey"]), b"secret" + raw(case["seed"]))
        expect(f"{name} secret", secret, raw(case["secret"]))
        expect(f"{name} key digest", sha(b"offsetdata.key\0\0", secret), raw(case["keyDigest"]))
        expect(f"{name} digest", sha(ciphertext), raw(case["digest"]))
        leaves = [raw(text) for text in case["leaves"]]
        # Records 100 to 104: 100..103 are one subtree of four, 104 stands alone.
        expect(f"{name} subtrees", [root(leaves[:4]), leaves[4]], [raw(text) for text in case["subtrees"]])
        plain = sum(4 + len(raw(record)) for record in case["records"])
        expect(f"{name} length", len(ciphertext), plain + 16)
        if name == "public":
            expect("public leaves", [leaf(raw(record)) for record in case["records"]], leaves)


def check_manifest():
    vectors = load("manifest")
    expect("manifest digest", sha(raw(vectors["manifest"])), raw(vectors["digest"]))
    # Record n of the vector is the map {"n": n}: a1 61 6e and n.
    leaves = [leaf(bytes([0xA1, 0x61, 0x6E, n])) for n in range(vectors["recordCount"])]
    expect("content root", root(leaves), raw(vectors["contentRoot"]))


def check_manifest_preview():
    vectors = load("manifest_preview")
    block = raw(vectors["manifest"])
    expect("preview manifest digest", sha(block), raw(vectors["digest"]))
    tag = b"offsetdata.key".ljust(16, b"\0")
    for secret, digest in zip(vectors["previewSecrets"], vectors["keyDigests"]):
        expect("key digest of a preview", sha(tag, raw(secret)), raw(digest))
    # 6e "previewSecrets", a list of byte strings of 32 bytes.
    secrets = b"".join(b"\x58\x20" + raw(secret) for secret in vectors["previewSecrets"])
    field = b"\x6epreviewSecrets" + bytes([0x80 + len(vectors["previewSecrets"])]) + secrets
    expect("preview secrets in the manifest", block.count(field), 1)


def value_of(text):
    number = float(text)
    if number != number:
        return -(2**63)
    if number in (float("inf"), float("-inf")):
        return 2**63 - 1 if number > 0 else -(2**63) + 1
    scaled = number * 1_000_000.0
    # Python rounds ties to even, as the protocol does.
    return max(-(2**63) + 2, min(2**63 - 2, round(scaled))) if abs(scaled) < 1e300 else (
        2**63 - 2 if scaled > 0 else -(2**63) + 2
    )


def check_metrics():
    vectors = load("metrics")
    leaves = []
    for number, point in zip(vectors["numbers"], vectors["points"], strict=True):
        value = int(point["value"])
        expect(f"value of {number}", value_of(number), value)
        packed = struct.pack(">IQq", point["sequence"], point["step"], value)
        leaves.append(leaf(b"offsetdata.point", packed, point["key"].encode()))
        expect(f"point {point['sequence']}", leaves[-1], raw(point["leaf"]))
    expect("series root", root(leaves), raw(vectors["seriesRoot"]))
    expect("points digest", sha(raw(vectors["block"])), raw(vectors["digest"]))


def order(seed, epoch, count):
    numbers, block = [], 0

    def below(n):
        nonlocal numbers, block
        while True:
            if not numbers:
                draw = sha(b"offsetdata.order", seed, struct.pack(">IQ", epoch, block))
                numbers, block = list(struct.unpack(">4Q", draw)), block + 1
            product = numbers.pop(0) * n
            if product % 2**64 >= 2**64 % n:
                return product >> 64

    items = list(range(count))
    for i in range(count - 1, 0, -1):
        j = below(i + 1)
        items[i], items[j] = items[j], items[i]
    return items


def check_selection():
    v = load("selection")
    seed, collection = raw(v["splitSeed"]), raw(v["collection"])

    def split(index):
        h = int.from_bytes(sha(b"offsetdata.split", seed, struct.pack(">I", index))[:8], "big")
        bucket = h * 10_000 >> 64
        return 2 if bucket < v["testBps"] else 1 if bucket < v["testBps"] + v["validationBps"] else 0

    splits = [split(i) for i in range(64)]
    expect("splits", splits, v["splits"])
    leaves = [leaf(b"offsetdata.input", collection, struct.pack(">IB", i, s)) for i, s in enumerate(splits)]
    expect("first input leaf", leaves[0], raw(v["firstInputLeaf"]))
    expect("inputs root", root(leaves), raw(v["inputsRoot"]))
    expect("order of epoch 0", order(seed, 0, 20), v["orderOfEpoch0"])
    expect("order of epoch 1", order(seed, 1, 20), v["orderOfEpoch1"])
    bits = raw(v["bitmap"])
    count = struct.pack(">I", v["bitmapRecords"])
    parts = [leaf(b"offsetdata.bits\0", count, bits[i : i + 32]) for i in range(0, len(bits), 32)]
    expect("bitmap root", root(parts), raw(v["bitmapRoot"]))
    for name, tag in (("givenRoot", b"offsetdata.given"), ("flagsRoot", b"offsetdata.flag\0")):
        expect(name, root([leaf(tag, struct.pack(">I", i)) for i in v["indices"]]), raw(v[name]))


for check in (check_leaves, check_merkle, check_chunks, check_manifest, check_manifest_preview, check_metrics, check_selection):
    check()
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)

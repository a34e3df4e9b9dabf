"""The primitives under the vault do what Project Wycheproof's vectors say, good and forged alike."""

import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.vault import signing
from core.vault.keys import DataKey, derive

Vector = dict[str, Any]  # Any: a test vector as its file has it


def groups(shared_data: Path, name: str) -> Iterator[Vector]:
    yield from json.loads((shared_data / "wycheproof" / name).read_text())["testGroups"]


def test_aes_gcm_seals_and_refuses_as_the_vectors_say(shared_data: Path) -> None:
    tried = {"valid": 0, "invalid": 0}

    for group in groups(shared_data, "aes_gcm_test.json"):
        if (group["ivSize"], group["tagSize"]) != (96, 128):
            continue
        for case in group["tests"]:
            key, iv, aad, msg = (bytes.fromhex(case[part]) for part in ("key", "iv", "aad", "msg"))
            sealed = bytes.fromhex(case["ct"] + case["tag"])
            tried[case["result"]] += 1
            if case["result"] == "valid":
                assert AESGCM(key).encrypt(iv, msg, aad) == sealed, case["tcId"]
                assert AESGCM(key).decrypt(iv, sealed, aad) == msg, case["tcId"]
            else:
                with pytest.raises(InvalidTag):
                    AESGCM(key).decrypt(iv, sealed, aad)

    assert tried["valid"] > 90
    assert tried["invalid"] > 50


def test_hkdf_derives_as_the_vectors_say(shared_data: Path) -> None:
    derived = 0

    for group in groups(shared_data, "hkdf_sha256_test.json"):
        for case in group["tests"]:
            ikm, salt, info = (bytes.fromhex(case[part]) for part in ("ikm", "salt", "info"))
            if case["result"] == "valid":
                assert derive(ikm, salt, info, case["size"]).hex() == case["okm"], case["tcId"]
                derived += 1
            else:
                with pytest.raises(ValueError):
                    derive(ikm, salt, info, case["size"])

    assert derived > 50


def test_hmac_agrees_with_the_vectors(shared_data: Path) -> None:
    agreed = 0

    for group in groups(shared_data, "hmac_sha256_test.json"):
        for case in group["tests"]:
            tag = hmac.digest(bytes.fromhex(case["key"]), bytes.fromhex(case["msg"]), "sha256")
            found = tag[: group["tagSize"] // 8].hex() == case["tag"]
            assert found == (case["result"] == "valid"), case["tcId"]
            if found and len(case["key"]) == 64 and group["tagSize"] == 256:
                assert DataKey(1, bytes.fromhex(case["key"])).mac(bytes.fromhex(case["msg"])) == tag
                agreed += 1

    assert agreed > 10


def test_signatures_are_accepted_and_refused_as_the_vectors_say(shared_data: Path) -> None:
    answers = {"valid": 0, "invalid": 0}

    for group in groups(shared_data, "ed25519_test.json"):
        public = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            is_good = signing.verify(public, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
            assert is_good == (case["result"] == "valid"), case["tcId"]
            answers[case["result"]] += 1

    assert min(answers.values()) > 40

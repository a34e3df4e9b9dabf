"""A ciphertext that AES-GCM opens under two keys is made here as an attacker would, and refused where it matters.

GCM's tag is a polynomial in a key's own point, so for two keys one block can be chosen that makes both tags the same
(https://eprint.iacr.org/2019/016). What tells the keys apart is not the tag: it is the check value of a data key and a
file's commitment.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.vault import envelope
from core.vault.epochs import Epochs, Wrapped
from core.vault.keys import KEY_BYTES, DataKey, derive
from core.vault.providers import EnvProvider
from core.vault.refusals import ContentUnavailable, Reason, WrapMismatch
from core.vault.stream import Opener, Sealer

BLOCK = 16
SECRETS = (bytes(range(32)), bytes(range(100, 132)))


def times(left: int, right: int) -> int:
    """The product in GCM's field of 2^128, whose lowest power is the first bit (SP 800-38D section 6.3)."""
    product = 0
    for bit in range(127, -1, -1):
        if right >> bit & 1:
            product ^= left
        left = left >> 1 ^ (0xE1 << 120 if left & 1 else 0)
    return product


def power(base: int, exponent: int) -> int:
    found = 1 << 127
    while exponent:
        if exponent & 1:
            found = times(found, base)
        base, exponent = times(base, base), exponent >> 1
    return found


def encrypted(key: bytes, block: bytes) -> int:
    done = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)  # one block of a test's own
    return int.from_bytes(done, "big")


def blocks(content: bytes) -> list[int]:
    padded = content.ljust(-(-len(content) // BLOCK) * BLOCK, b"\0")
    return [int.from_bytes(padded[at : at + BLOCK], "big") for at in range(0, len(padded), BLOCK)]


def tag(key: bytes, nonce: bytes, words: Sequence[int]) -> int:
    point, summed = encrypted(key, bytes(BLOCK)), 0
    for word in words:
        summed = times(summed ^ word, point)
    return summed ^ encrypted(key, nonce + b"\0\0\0\1")


def for_both(keys: Sequence[bytes], nonce: bytes, bound: bytes, size: int) -> bytes:
    """A ciphertext of `size` bytes with its tag that opens under both keys; its first block is the one chosen."""
    body = os.urandom(size - BLOCK)
    lengths = (len(bound) * 8).to_bytes(8, "big") + (size * 8).to_bytes(8, "big")
    before, after = blocks(bound), [*blocks(body), *blocks(lengths)]
    differ = tag(keys[0], nonce, [*before, 0, *after]) ^ tag(keys[1], nonce, [*before, 0, *after])
    exponent = len(after) + 1
    slope = power(encrypted(keys[0], bytes(BLOCK)), exponent) ^ power(encrypted(keys[1], bytes(BLOCK)), exponent)
    chosen = times(differ, power(slope, 2**128 - 2))
    return chosen.to_bytes(BLOCK, "big") + body + tag(keys[0], nonce, [*before, chosen, *after]).to_bytes(BLOCK, "big")


@dataclass
class Chosen(EnvProvider):
    """A provider with a key of our choice."""

    key: bytes

    def kek(self, epoch: int) -> bytes:
        return self.key


def test_a_wrap_that_opens_under_two_epochs_keys_is_refused_by_its_check_value() -> None:
    nonce = os.urandom(12)
    bound = envelope.context("cs/wrap/v1", 7, "scope", "owner", envelope.u32(1))
    crafted = for_both(SECRETS, nonce, bound, KEY_BYTES)
    first, second = (AESGCM(key).decrypt(nonce, crafted, bound) for key in SECRETS)
    row = Wrapped(7, "scope", "owner", 1, nonce + crafted, DataKey(7, first).check_value())

    opened = Epochs(Chosen(SECRETS[0])).unwrap(row, "scope", "owner")
    with pytest.raises(WrapMismatch) as refused:
        Epochs(Chosen(SECRETS[1])).unwrap(row, "scope", "owner")

    assert first != second
    assert opened.check_value() == row.kcv
    assert refused.value.reason is Reason.CHECK_VALUE
    with pytest.raises(WrapMismatch):
        Epochs(Chosen(SECRETS[0])).unwrap(replace(row, kcv=DataKey(7, second).check_value()), "scope", "owner")


def test_a_file_that_opens_under_two_keys_is_refused_by_its_commitment() -> None:
    context, header = b"att", Sealer(DataKey(7, SECRETS[0]), b"att").header
    salt, nonce = header[12:44], bytes(11) + b"\1"
    keys = [derive(secret, salt, b"cs/v1/media" + context, 2 * KEY_BYTES)[:KEY_BYTES] for secret in SECRETS]
    crafted = for_both(keys, nonce, b"", 64)
    assert len({AESGCM(key).decrypt(nonce, crafted, None) for key in keys}) == 2

    opened = Opener(DataKey(7, SECRETS[0]), context, header).open(0, crafted, last=True)
    with pytest.raises(ContentUnavailable) as refused:
        Opener(DataKey(7, SECRETS[1]), context, header)

    assert len(opened) == 64
    assert refused.value.reason is Reason.COMMITMENT

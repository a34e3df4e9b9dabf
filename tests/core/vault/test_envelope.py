"""The envelope refuses everything but exactly what was sealed, in exactly its place."""

import os
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from core.vault import envelope
from core.vault.keys import SEAL_LIMIT, DataKey, Kind, expand
from core.vault.refusals import ContentUnavailable, KeySpent, Reason

CONVERSATION, MESSAGE = "11" * 16, "22" * 16
PART = st.one_of(st.text(max_size=12), st.binary(max_size=12), st.integers(0, 2**64 - 1))

GOLDEN = {
    Kind.MESSAGE: "010101010123456789abcdef202122232425262728292a2b"
    "8ce80dd657a52574aa25eb6b8de61594279018e6d729f9dd8a353ed39faadb6fd83c523ecf104b91da0290ac1bf3a6df",
    Kind.FIELD: "010102010123456789abcdef202122232425262728292a2b"
    "f5d30858c7adbc90b6d8de2110e8b1af9c76797dbcd7739d46f66fb33ec2f35ac160791732ef24443fd187d7fe7b7ec7",
    Kind.REVISION: "010103010123456789abcdef202122232425262728292a2b"
    "ea73134a354d18196c9d17db9aaab05071eb9aa826c1b4f6782a1a3e10636cab034de1d32974206dd60bf1a5ecfff8cc",
    Kind.FILE_NAME: "010104010123456789abcdef202122232425262728292a2b"
    "695e113c77d555bd2e1ac0cae892e23376ba4c9b23f220a23118affe2d5d9deba2171bc175d2368ea3016db143fa94bf",
    Kind.NOTE: "010105010123456789abcdef202122232425262728292a2b"
    "af0fdd39e29275c3545f00dd3c053fb921529cb2721db55ebc26c5151dbf064642c4e0cd34ecd222309f2534bd2209a1",
    Kind.ATTACHMENT: "010106010123456789abcdef202122232425262728292a2b"
    "b7e3726debbebd5775625b20a27290fe0a4b2896dad1b59dc6aebde63706a349bb7bce3a8175e535662d2f6f0b5b614d",
    Kind.RIGHTS: "010107010123456789abcdef202122232425262728292a2b"
    "4edb8b712a47d468ceb6da4a13e8bf3b900db6cc8088ea76be1b78b19fc27155014d93dabd51510a003112cbf5699921",
    Kind.EVENT: "010108010123456789abcdef202122232425262728292a2b"
    "82db9eac612e95126d8ff4265a987795d881f92bf259707d669eeb6a26ba1a42d2d417c5042fc8beda9467f1eb4b92ee",
}


def a_key(dek_id: int = 0x0123456789ABCDEF) -> DataKey:
    return DataKey(dek_id, bytes(range(32)))


def a_message(**changes: object) -> bytes:
    parts = {"tenant": "shop", "conversation": CONVERSATION, "message": MESSAGE, "seq": 7, "sender": "person:ab"}
    parts |= {"created_ms": 1_700_000_000_000, "revision": 0}
    return envelope.message_context(**(parts | changes))  # type: ignore[arg-type]  # a table of changes


def reason_of(key: DataKey, kind: Kind, context: bytes, sealed: bytes) -> Reason:
    with pytest.raises(ContentUnavailable) as refused:
        envelope.unseal(key, kind, context, sealed)
    assert str(refused.value) == refused.value.code == "content_unavailable"
    assert not refused.value.fields
    return refused.value.reason


@pytest.mark.parametrize("kind", list(Kind))
def test_the_format_never_drifts(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda count: bytes(range(32, 32 + count)))

    sealed = envelope.seal(a_key(), kind, a_message(), "您好 👋".encode())

    assert sealed.hex() == GOLDEN[kind]
    assert envelope.unseal(a_key(), kind, a_message(), bytes.fromhex(GOLDEN[kind])).decode() == "您好 👋"


def test_an_envelope_is_what_its_description_says_when_put_together_by_hand() -> None:
    secret, nonce = bytes(range(32)), b"n" * 12
    header = bytes([1, 1, 2, 1]) + (0x0123456789ABCDEF).to_bytes(8, "big")
    context = b"".join(len(p).to_bytes(4, "big") + p for p in (b"fld", b"shop", b"person", b"id-1", b"email"))
    cipher = AESGCM(expand(secret, b"cs/v1/field", 32))
    sealed = header + nonce + cipher.encrypt(nonce, b"ann@example.com\x80" + bytes(16), header + context)

    opened = envelope.unseal(a_key(), Kind.FIELD, envelope.field_context("shop", "person", "id-1", "email"), sealed)

    assert opened == b"ann@example.com"


def test_contexts_are_what_their_descriptions_say() -> None:
    ids = bytes.fromhex(CONVERSATION), bytes.fromhex(MESSAGE)

    assert envelope.context("é", b"\x00", 258) == bytes.fromhex("00000002c3a90000000100000000080000000000000102")
    assert a_message(revision=3) == envelope.context(
        "msg", "shop", *ids, 7, "person:ab", 1_700_000_000_000, b"\0\0\0\3"
    )
    assert envelope.attachment_context("shop", CONVERSATION, MESSAGE, "view") == envelope.context(
        "att", "shop", *ids, "view"
    )


@given(st.binary(max_size=400), st.sampled_from(list(Kind)), st.binary(max_size=40))
def test_what_is_sealed_opens_again(plaintext: bytes, kind: Kind, context: bytes) -> None:
    key = a_key()

    sealed = envelope.seal(key, kind, context, plaintext)

    assert envelope.unseal(key, kind, context, sealed) == plaintext
    assert envelope.key_id(sealed) == key.id


@given(st.binary(max_size=200))
def test_lengths_are_rounded_to_steps_of_32_bytes(plaintext: bytes) -> None:
    sealed = envelope.seal(a_key(), Kind.MESSAGE, b"", plaintext)

    assert len(sealed) == 24 + (len(plaintext) // 32 + 1) * 32 + 16


def test_yes_and_no_have_the_same_length() -> None:
    lengths = {len(envelope.seal(a_key(), Kind.MESSAGE, b"", text)) for text in (b"yes", b"no", b"", b"x" * 31)}

    assert lengths == {72}


def test_text_of_zeros_and_marks_keeps_its_end() -> None:
    for text in (b"\x80", b"\x80\0\0", b"\0" * 32, b"a\x80" + b"\0" * 30, b"\x80" * 64):
        sealed = envelope.seal(a_key(), Kind.NOTE, b"", text)
        assert envelope.unseal(a_key(), Kind.NOTE, b"", sealed) == text


def test_every_single_changed_bit_is_refused() -> None:
    key, context = a_key(), a_message()
    sealed = envelope.seal(key, Kind.MESSAGE, context, b"Is it on its way?")

    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        reason_of(key, Kind.MESSAGE, context, bytes(changed))


def test_every_shortened_or_lengthened_text_is_refused() -> None:
    key, context = a_key(), a_message()
    sealed = envelope.seal(key, Kind.MESSAGE, context, b"x" * 100)

    for length in range(len(sealed)):
        reason_of(key, Kind.MESSAGE, context, sealed[:length])
    assert reason_of(key, Kind.MESSAGE, context, sealed + b"\0") is Reason.AUTHENTICATION


@pytest.mark.parametrize(
    "change",
    [
        {"tenant": "shop2"},
        {"conversation": "12" * 16},
        {"message": "23" * 16},
        {"seq": 8},
        {"sender": "staff:ab"},
        {"sender": "person:ac"},
        {"created_ms": 1_700_000_000_001},
        {"revision": 1},
        {"conversation": MESSAGE, "message": CONVERSATION},
    ],
    ids=str,
)
def test_a_message_taken_from_its_place_is_refused(change: dict[str, object]) -> None:
    sealed = envelope.seal(a_key(), Kind.MESSAGE, a_message(), b"hello")

    assert reason_of(a_key(), Kind.MESSAGE, a_message(**change), sealed) is Reason.AUTHENTICATION


@pytest.mark.parametrize(
    "place", [("a", "p", "1", "c"), ("s", "b", "1", "c"), ("s", "p", "2", "c"), ("s", "p", "1", "d")]
)
def test_a_field_taken_from_its_place_is_refused(place: tuple[str, str, str, str]) -> None:
    sealed = envelope.seal(a_key(), Kind.FIELD, envelope.field_context("s", "p", "1", "c"), b"ann@example.com")

    assert reason_of(a_key(), Kind.FIELD, envelope.field_context(*place), sealed) is Reason.AUTHENTICATION


@pytest.mark.parametrize("other", [kind for kind in Kind if kind is not Kind.NOTE])
def test_a_note_never_passes_for_another_kind(other: Kind) -> None:
    sealed = envelope.seal(a_key(), Kind.NOTE, b"", b"she is angry")
    relabelled = sealed[:2] + bytes([other]) + sealed[3:]

    assert reason_of(a_key(), other, b"", sealed) is Reason.KIND
    assert reason_of(a_key(), other, b"", relabelled) is Reason.AUTHENTICATION


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [(0, 0, Reason.VERSION), (0, 2, Reason.VERSION), (1, 2, Reason.SUITE), (3, 0, Reason.FLAGS), (3, 3, Reason.FLAGS)],
)
def test_an_unknown_header_is_refused_before_the_cipher(at: int, value: int, reason: Reason) -> None:
    sealed = bytearray(envelope.seal(a_key(), Kind.MESSAGE, b"", b"hello"))
    sealed[at] = value

    assert reason_of(a_key(), Kind.MESSAGE, b"", bytes(sealed)) is reason


def test_only_the_key_that_the_header_names_is_ever_used() -> None:
    same_secret_other_id = a_key(dek_id=5)
    sealed = envelope.seal(a_key(), Kind.MESSAGE, b"", b"hello")

    assert reason_of(same_secret_other_id, Kind.MESSAGE, b"", sealed) is Reason.OTHER_KEY


@pytest.mark.parametrize("padded", [bytes(32), b"a" * 32, b"a\x80" + bytes(62), b"\x80" + bytes(63), b"a\x80"])
def test_padding_that_we_would_not_write_is_refused(padded: bytes) -> None:
    key, nonce = a_key(), b"n" * 12
    header = bytes([1, 1, 1, 1]) + key.id_bytes
    sealed = header + nonce + key.opening(Kind.MESSAGE).encrypt(nonce, padded.ljust(32, b"b"), header)
    if len(padded) < 32:
        sealed = header + nonce + key.opening(Kind.MESSAGE).encrypt(nonce, padded.rjust(33, b"b"), header)

    assert reason_of(key, Kind.MESSAGE, b"", sealed) is Reason.PADDING


@given(st.lists(PART, max_size=5), st.lists(PART, max_size=5))
def test_different_tuples_never_give_the_same_context(
    one: list[str | bytes | int], other: list[str | bytes | int]
) -> None:
    as_bytes = [
        [p.encode() if isinstance(p, str) else p.to_bytes(8, "big") if isinstance(p, int) else p for p in parts]
        for parts in (one, other)
    ]

    assert (envelope.context(*one) == envelope.context(*other)) == (as_bytes[0] == as_bytes[1])


def test_no_nonce_comes_twice() -> None:
    key = a_key()

    nonces = sorted(envelope.seal(key, Kind.MESSAGE, b"", b"same")[12:24] for _ in range(2_000))

    assert all(one != two for one, two in pairwise(nonces))


def test_a_key_stops_after_a_million_sealings_and_still_opens() -> None:
    key = a_key()
    sealed = envelope.seal(key, Kind.MESSAGE, b"", b"the first")
    key.count_from(SEAL_LIMIT - 1)
    envelope.seal(key, Kind.MESSAGE, b"", b"the last")

    with pytest.raises(KeySpent):
        envelope.seal(key, Kind.NOTE, b"", b"one too many")

    assert envelope.unseal(key, Kind.MESSAGE, b"", sealed) == b"the first"


def test_a_key_is_never_shown_or_pickled() -> None:
    import pickle  # noqa: PLC0415  (only to see it refused)

    assert bytes(range(32)).hex() not in repr(a_key())
    with pytest.raises(TypeError):
        pickle.dumps(a_key())

"""A sealed file opens chunk by chunk in its place, and a missing end is always noticed."""

import os
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.vault import stream
from core.vault.keys import DataKey
from core.vault.refusals import ContentUnavailable, Reason
from core.vault.stream import CHUNK, HEADER, SEALED_CHUNK, Opener, Sealer, span

EDGES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7]
CONTEXT = b"picture one"
GOLDEN = (
    "010110100000000000000007404142434445464748494a4b4c4d4e4f505152535455565758595a5b"
    "5c5d5e5ff477d7ea6d99f52c148b1d8614ec5a57cab476ccb95fcd764ba2ff47e4954b1b00000000"
    "de596d826c04d459dea573987a247e6e4932a8bb93bf20ca97cc780471c60c41909071cc"
)


def a_key(dek_id: int = 7) -> DataKey:
    return DataKey(dek_id, bytes(range(32)))


def some_bytes(length: int, seed: int = 1) -> bytes:
    return Random(seed).randbytes(length)


def sealed_file(plaintext: bytes, context: bytes = CONTEXT) -> bytes:
    sealer = Sealer(a_key(), context)
    return sealer.header + sealer.push(plaintext) + sealer.finish()


def opened_range(sealed: bytes, total: int, start: int, stop: int) -> bytes:
    wanted = span(total, start, stop)
    opener = Opener(a_key(), CONTEXT, sealed[:HEADER])
    return wanted.open(opener, sealed[wanted.offset : wanted.offset + wanted.length])


def refusal_of_opening(sealed: bytes, total: int) -> Reason:
    with pytest.raises(ContentUnavailable) as refused:
        opened_range(sealed, total, 0, total)
    return refused.value.reason


def test_the_format_never_drifts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda count: bytes(range(64, 64 + count)))

    sealed = sealed_file(b"a very small picture")

    assert sealed.hex() == GOLDEN
    assert opened_range(bytes.fromhex(GOLDEN), 20, 0, 20) == b"a very small picture"


@pytest.mark.parametrize("total", EDGES)
def test_a_file_has_the_promised_size_and_opens_whole(total: int) -> None:
    plaintext = some_bytes(total)

    sealed = sealed_file(plaintext)

    assert len(sealed) == stream.sealed_size(total) == 80 + total + 16 * max(1, -(-total // 65_536))
    assert opened_range(sealed, total, 0, total) == plaintext
    stream.prove_whole(len(sealed), total)


@pytest.mark.parametrize("total", EDGES)
def test_every_range_at_an_edge_opens_to_the_same_bytes(total: int) -> None:
    plaintext = some_bytes(total)
    sealed = sealed_file(plaintext)
    points = sorted({point for edge in EDGES for point in (edge - 1, edge, edge + 1) if 0 <= point <= total})

    for start in points:
        for stop in [point for point in points if point >= start]:
            assert opened_range(sealed, total, start, stop) == plaintext[start:stop]


@settings(max_examples=100)
@given(st.integers(0, 3 * CHUNK + 100), st.data())
def test_a_range_reads_no_chunk_too_many(total: int, choice: st.DataObject) -> None:
    start = choice.draw(st.integers(0, total))
    stop = choice.draw(st.integers(start, total))

    wanted = span(total, start, stop)

    read = list(wanted)
    assert sum(length for _, length, _ in read) == wanted.length
    assert len(read) <= (stop - start) // CHUNK + 2
    assert wanted.offset + wanted.length <= stream.sealed_size(total)
    assert [last for _, _, last in read[:-1]] == [False] * (len(read) - 1)
    assert read[-1][2] == (wanted.final == stream.chunks(total) - 1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 90_000), max_size=5))
def test_pieces_of_any_size_seal_the_same_file(sizes: list[int]) -> None:
    plaintext = some_bytes(sum(sizes))
    sealer = Sealer(a_key(), CONTEXT)
    sealed, position = sealer.header, 0

    for size in sizes:
        sealed += sealer.push(plaintext[position : position + size])
        position += size
    sealed += sealer.finish()

    assert len(sealed) == stream.sealed_size(len(plaintext))
    assert opened_range(sealed, len(plaintext), 0, len(plaintext)) == plaintext


def test_swapped_chunks_are_refused() -> None:
    sealed = sealed_file(some_bytes(3 * CHUNK))
    one, two = sealed[HEADER : HEADER + SEALED_CHUNK], sealed[HEADER + SEALED_CHUNK : HEADER + 2 * SEALED_CHUNK]

    swapped = sealed[:HEADER] + two + one + sealed[HEADER + 2 * SEALED_CHUNK :]

    assert refusal_of_opening(swapped, 3 * CHUNK) is Reason.AUTHENTICATION


def test_a_chunk_of_another_file_is_refused() -> None:
    ours, theirs = sealed_file(some_bytes(100)), sealed_file(some_bytes(100))

    assert refusal_of_opening(ours[:HEADER] + theirs[HEADER:], 100) is Reason.AUTHENTICATION


@pytest.mark.parametrize("cut", [1, 16, 100, SEALED_CHUNK])
def test_a_file_cut_short_is_refused(cut: int) -> None:
    total = 2 * CHUNK + 500
    sealed = sealed_file(some_bytes(total))[:-cut]

    assert refusal_of_opening(sealed, total) is Reason.TRUNCATED
    with pytest.raises(ContentUnavailable):
        stream.prove_whole(len(sealed), total)


def test_a_file_cut_at_a_chunk_with_a_forged_length_is_refused() -> None:
    sealed = sealed_file(some_bytes(3 * CHUNK))[:-SEALED_CHUNK]
    stream.prove_whole(len(sealed), 2 * CHUNK)

    assert refusal_of_opening(sealed, 2 * CHUNK) is Reason.AUTHENTICATION


def test_the_last_chunk_does_not_open_as_one_in_the_middle() -> None:
    sealed = sealed_file(some_bytes(CHUNK))
    opener = Opener(a_key(), CONTEXT, sealed[:HEADER])

    with pytest.raises(ContentUnavailable):
        opener.open(0, sealed[HEADER:], last=False)


@pytest.mark.parametrize("size", [0, 15, SEALED_CHUNK + 1])
def test_chunks_of_impossible_size_are_refused(size: int) -> None:
    opener = Opener(a_key(), CONTEXT, sealed_file(b"")[:HEADER])

    with pytest.raises(ContentUnavailable) as refused:
        opener.open(0, bytes(size), last=True)
    assert refused.value.reason is Reason.LENGTH


def test_an_empty_chunk_after_the_first_is_refused() -> None:
    opener = Opener(a_key(), CONTEXT, sealed_file(b"")[:HEADER])

    with pytest.raises(ContentUnavailable) as refused:
        opener.open(1, bytes(16), last=True)
    assert refused.value.reason is Reason.LENGTH


def test_every_changed_bit_of_a_header_is_refused() -> None:
    header = sealed_file(b"picture")[:HEADER]

    for bit in range(HEADER * 8):
        changed = bytearray(header)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ContentUnavailable):
            Opener(a_key(), CONTEXT, bytes(changed))


def test_a_file_does_not_open_in_another_place_or_under_another_key() -> None:
    header = sealed_file(b"picture")[:HEADER]

    with pytest.raises(ContentUnavailable) as elsewhere:
        Opener(a_key(), b"picture two", header)
    with pytest.raises(ContentUnavailable) as other:
        Opener(a_key(dek_id=8), CONTEXT, header)
    with pytest.raises(ContentUnavailable) as imposter:
        Opener(DataKey(7, bytes(32)), CONTEXT, header)

    reasons = [refused.value.reason for refused in (elsewhere, other, imposter)]
    assert reasons == [Reason.COMMITMENT, Reason.OTHER_KEY, Reason.COMMITMENT]


def test_the_same_file_never_seals_to_the_same_bytes() -> None:
    assert sealed_file(b"picture")[12:44] != sealed_file(b"picture")[12:44]


def test_a_careless_caller_is_stopped() -> None:
    sealer = Sealer(a_key(), CONTEXT)

    with pytest.raises(AssertionError):
        sealer.chunk(b"too short to be in the middle", last=False)
    sealer.chunk(bytes(CHUNK), last=False)
    with pytest.raises(AssertionError):
        sealer.chunk(b"", last=True)
    sealer.chunk(b"end", last=True)
    with pytest.raises(AssertionError):
        sealer.chunk(b"after the end", last=True)

"""What arrives on the wire may be anything (reliability T18): the socket ends with a code that is written down, nothing
is logged but its end, nothing is left, and a neighbour notices nothing.

Defined here are 1000 (we said goodbye), 1002 (not WebSocket), 1003 (not text), 1005 (closed without a code), 1007 (not
UTF-8), 1009 (over 64 KiB), 4400 (not a frame of ours) and 4429 (far too many); 1006 is a connection that just ends.
"""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat import protocol
from chat.protocol import Ack, BadFrame, Close, Pong
from core.services import Core
from media.uploads import Media
from tests.chat.line import House, serving
from tests.chat.rawsocket import (
    BINARY,
    CLOSE,
    CONT,
    FIN,
    NO_CODE,
    PING,
    PONG,
    TEXT,
    Raw,
    closing,
    frame,
    request,
    text,
)
from tests.conftest import free_port

RSV1, RSV2, RSV3 = 0x40, 0x20, 0x10


@pytest_asyncio.fixture
async def house(core: Core, media: Media, caplog: pytest.LogCaptureFixture) -> AsyncIterator[House]:
    """A server that, when the test is over, has written no traceback and holds on to nothing of it."""
    caplog.set_level(logging.INFO)
    async with serving(core, media, free_port()) as house:
        amy = await house.guest()
        async with house.connect(amy):
            pass
        await settled(house, len(asyncio.all_tasks()))
        tasks, sockets = len(asyncio.all_tasks()), open_sockets()
        yield house
        await settled(house, tasks)
        assert house.chat.rooms == {}
        assert open_sockets() <= sockets
    assert [record.getMessage() for record in caplog.get_records("call") if is_alarm(record)] == []


def is_alarm(record: logging.LogRecord) -> bool:
    return record.exc_info is not None or record.levelno >= logging.ERROR


async def settled(house: House, tasks: int) -> None:
    """Until the server has noticed that everybody has gone."""
    async with asyncio.timeout(15):
        while is_held(house) or len(asyncio.all_tasks()) > tasks:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def is_held(house: House) -> bool:
    return bool(house.chat.connections or house.server.server_state.connections)


def open_sockets() -> int:
    return len(psutil.Process().net_connections("tcp"))


async def closed_after(house: House, *pieces: bytes) -> int:
    """With which code a greeted socket ends after these bytes, while a neighbour talks on."""
    amy, eve = await house.guest(), await house.guest()
    chat = await house.conversation(amy)
    async with house.connect(amy, subs={chat.id: {}}) as neighbour:
        raw = await Raw.connect(house)
        await raw.greet(house, eve)
        for piece in pieces:
            raw.writer.write(piece)
        code = await raw.code()
        raw.close()
        await neighbour.send(chat, "Still here")
        ack = await neighbour.until(Ack)
    assert ack.s == 2
    return code


HALF = text("[" + " " * 1_000)[:500]

WRONG: dict[str, tuple[tuple[bytes, ...], int]] = {
    "unmasked text": ((frame(TEXT, b"{}", is_masked=False),), 1002),
    "the first reserved bit, as if compressed": ((text("{}", flags=FIN | RSV1),), 1002),
    "the second reserved bit": ((text("{}", flags=FIN | RSV2),), 1002),
    "the third reserved bit": ((text("{}", flags=FIN | RSV3),), 1002),
    "a reserved opcode": ((frame(0x3, b"x"),), 1002),
    "a reserved control opcode": ((frame(0xB, b"x"),), 1002),
    "a continuation of nothing": ((frame(CONT, b"x"),), 1002),
    "a new text inside of a fragmented one": ((text("[", flags=0), text("]")), 1002),
    "a fragmented ping": ((frame(PING, b"x", flags=0),), 1002),
    "a ping that is too long": ((frame(PING, b"x" * 126),), 1002),
    "a close of one byte": ((frame(CLOSE, b"x"),), 1002),
    "a close with a reserved code": ((closing(1005),), 1002),
    "a close with a code of nobody": ((closing(2_000),), 1002),
    "a close whose reason is not UTF-8": ((closing(1000, b"\xff\xfe"),), 1007),
    "a text that is not UTF-8": ((frame(TEXT, b'{"t":"\xff\xfe"}'),), 1007),
    "a text cut in the middle of a character": ((frame(TEXT, "字".encode()[:2]),), 1007),
    "UTF-8 of a surrogate": ((frame(TEXT, b'"\xed\xa0\x80"'),), 1007),
    "fragments that are not UTF-8 together": ((frame(TEXT, b"\xe5", flags=0), frame(CONT, b"\xff")), 1007),
    "a binary frame": ((frame(BINARY, b"\x00\x01"),), 1003),
    "a frame that says it is over the limit": ((text("", length=65_537),), 1009),
    "a frame that says it is enormous": ((text("", length=2**62),), 1009),
    "a length with the highest bit": ((bytes([FIN | TEXT, 0x80 | 127]) + b"\xff" * 8 + b"mask",), 1009),
    "fragments that are over the limit together": ((text("x" * 40_000, flags=0), frame(CONT, b"x" * 40_000)), 1009),
    "an empty text": ((text(""),), Close.BAD_FRAME),
    "our goodbye": ((closing(1000),), 1000),
    "a goodbye without a code": ((frame(CLOSE),), NO_CODE),
    "a goodbye with a code of ours": ((closing(4_999, "再見".encode()),), 4_999),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_breaks_the_rules_ends_with_the_code_for_it(house: House, name: str) -> None:
    pieces, code = WRONG[name]

    assert await closed_after(house, *pieces) == code


async def test_garbage_ends_as_what_is_not_websocket(house: House) -> None:
    assert await closed_after(house, bytes([0xF3]) + os.urandom(4_096)) == 1002


@pytest.mark.parametrize("cut", [1, 2, 5, 499])
async def test_a_frame_that_is_never_finished_leaves_nothing(house: House, cut: int) -> None:
    eve = await house.guest()
    raw = await Raw.connect(house)
    await raw.greet(house, eve)

    raw.writer.write(HALF[:cut])
    await raw.writer.drain()
    raw.close()

    await settled_without(house, eve.ref)


async def settled_without(house: House, ref: str) -> None:
    async with asyncio.timeout(10):
        while house.chat.presence.count(ref):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_control_frames_may_come_between_fragments_of_any_size(house: House) -> None:
    amy = await house.guest()
    raw = await Raw.connect(house)
    await raw.greet(house, amy)
    whole = b'{"t":"ping","n":7}'

    raw.writer.write(frame(TEXT, whole[:1], flags=0))
    for place in range(1, len(whole) - 1):
        raw.writer.write(frame(PING, str(place).encode()) + frame(CONT, whole[place : place + 1], flags=0))
    raw.writer.write(frame(PONG, b"nobody asked") + frame(CONT, b"", flags=0) + frame(CONT, whole[-1:]))
    opcodes = [await raw.frame() for _ in range(len(whole) - 1)]
    raw.close()

    assert [payload for opcode, payload in opcodes if opcode == PONG] == [b"%d" % n for n in range(1, len(whole) - 1)]
    assert [json.loads(payload)["n"] for opcode, payload in opcodes if opcode == TEXT] == [7]


async def test_a_flood_of_pings_is_answered_and_disturbs_nobody(house: House) -> None:
    amy, eve = await house.guest(), await house.guest()
    async with house.connect(amy) as neighbour:
        raw = await Raw.connect(house)
        await raw.greet(house, eve)

        raw.writer.write(b"".join(frame(PING, b"%d" % number) for number in range(2_000)))
        while await raw.pong() != b"1999":
            pass
        await neighbour.say(t="ping", n=3)
        pong = await neighbour.until(Pong)
        raw.close()

    assert pong.n == 3


async def test_a_flood_of_frames_ends_with_the_code_for_abuse(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.pace.FRAME_BURST", 40)
    slow = house.core.settings.model_copy(update={"message_rate": 1.0, "message_burst": 1})
    object.__setattr__(house.core, "settings", slow)

    assert await closed_after(house, text("[" + ",".join(['{"t":"ping"}'] * 64) + "]")) == Close.ABUSE


@pytest.mark.parametrize(
    "offer", ["permessage-deflate", "permessage-deflate; client_max_window_bits, x-webkit-deflate"]
)
async def test_compression_is_declined(house: House, offer: str) -> None:
    amy = await house.guest()
    raw = await Raw.connect(house)

    head = await raw.handshake(house, amy, Sec_WebSocket_Extensions=offer)
    raw.close()

    assert head.startswith(b"HTTP/1.1 101")
    assert b"sec-websocket-extensions" not in head.lower()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_WebSocket_Version": "8"}, b"4"),
        ({"Sec_WebSocket_Version": "x"}, b"4"),
        ({"Sec_WebSocket_Key": ""}, b"4"),
        ({"Sec_WebSocket_Key": "short"}, b"4"),
        ({"Sec_WebSocket_Key": "!" * 24}, b"4"),
        ({"Connection": "close"}, b"4"),
    ],
)
async def test_a_wrong_handshake_is_refused(house: House, headers: dict[str, str], status: bytes) -> None:
    raw = await Raw.connect(house)

    head = await raw.handshake(house, await house.guest(), **headers)
    raw.close()

    assert head.split(b" ")[1].startswith(status), head


@pytest.mark.parametrize("cut", [1, 40, 150])
async def test_half_a_handshake_leaves_nothing(house: House, cut: int) -> None:
    raw = await Raw.connect(house)

    raw.writer.write(request(house, await house.guest())[:cut])
    await raw.writer.drain()
    raw.close()


async def test_a_peer_that_vanishes_right_after_the_handshake_leaves_nothing(house: House) -> None:
    for _ in range(20):
        raw = await Raw.connect(house)
        await raw.handshake(house, await house.guest())
        raw.close()


# ---------------------------------------------------------------- what is WebSocket, but not a frame of ours


BAD_JSON = {
    "truncated": '{"t":"send","c":"x"',
    "deep": "[" * 5_000,
    "deep inside of what is ignored": '{"t":"ping","n":1,"x":' + '{"a":' * 40 + "1" + "}" * 40 + "}",
    "a wrong type": '{"t":"read","c":"x","upto":"1"}',
    "a number beyond": '{"t":"ping","n":1e999}',
    "a number of more than 53 bits": '{"t":"sub","c":"x","cur":9007199254740993,"ep":"x"}',
    "a number of more than 64 bits": '{"t":"ping","n":18446744073709551616}',
    "a number far below": '{"t":"send","c":"x","m":"m","k":"message","b":{},"seen":-1180591620717411303424}',
    "NUL as it is": '{"t":"ping","n":1}\0',
    "a lone surrogate": '{"t":"send","c":"\\ud800","m":"m","k":"message","b":{}}',
    "no type": "{}",
    "a type that is no word": '{"t":7}',
    "a list of words": '["ping"]',
    "too many": "[" + ",".join(['{"t":"ping"}'] * 65) + "]",
    "two values": '{"t":"ping"} {"t":"ping"}',
    "not a number": '{"t":"ping","n":NaN}',
}


@pytest.mark.parametrize("name", BAD_JSON)
async def test_text_that_is_no_frame_of_ours_ends_with_the_code_for_it(house: House, name: str) -> None:
    assert await closed_after(house, text(BAD_JSON[name])) == Close.BAD_FRAME


async def test_ten_thousand_unknown_fields_do_no_harm(house: House) -> None:
    amy = await house.guest()
    many = ",".join(f'"{number:x}":0' for number in range(7_000))

    async with house.connect(amy) as hers:
        await hers.raw.send(f'{{"t":"ping","n":5,{many}}}')
        pong = await hers.until(Pong)

    assert pong.n == 5
    (read,) = protocol.parse('{"t":"ping","n":6,' + ",".join(f'"{number}":0' for number in range(10_000)) + "}")
    assert read == protocol.Ping(6)


@pytest.mark.parametrize(
    "words",
    [
        '{"t":"read","c":"nobody","upto":-5}',
        '{"t":"read","c":"nobody","upto":9007199254740992}',
        '{"t":"get","c":"nobody","from":-1,"to":-9,"limit":-3}',
        '{"t":"unsub","c":"nobody"}',
        '{"t":"sub","c":"","cur":-1,"ep":""}',
        '{"t":"sub","c":"a\\u0000b"}',
        '{"t":"typing","c":"nobody"}',
        '{"t":"send","c":"nobody","m":"","k":"","b":null}',
        '{"t":"send","c":"a\\u0000b","m":"00000000-0000-7000-8000-000000000000","k":"message","b":{"text":"x"}}',
        '{"t":"hello","csrf":"again"}',
        '{"t":"welcome"}',
        "[]",
    ],
)
async def test_a_frame_that_makes_no_sense_is_answered_or_ignored_and_the_socket_lives(
    house: House, words: str
) -> None:
    amy = await house.guest()

    async with house.connect(amy) as hers:
        await hers.raw.send(words)
        await hers.say(t="ping", n=11)
        pong = await hers.until(Pong)

    assert pong.n == 11


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["t", "c", "m", "k", "b", "after", "seen", "cur", "ep", "upto", "from", "to", "n", "subs", "csrf"]
)
TYPES = st.sampled_from(["hello", "send", "sub", "unsub", "get", "read", "rcvd", "typing", "ping", "dance"])
FRAMES = st.builds(lambda kind, rest: rest | {"t": kind}, TYPES | VALUES, st.dictionaries(NAMES, VALUES, max_size=8))
WIRE = (FRAMES | st.lists(FRAMES, max_size=5)).map(json.dumps)
TEXTS = (
    WIRE
    | st.text(max_size=200)
    | st.builds(lambda whole, at: whole[: at % (len(whole) + 1)], WIRE, st.integers(0, 999))
)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_whatever_text_is_read_or_refused_and_nothing_else(words: str) -> None:
    try:
        frames = protocol.parse(words)
    except BadFrame:
        return
    assert len(frames) <= protocol.BATCH


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_whatever_bytes_of_a_poll_are_read_or_refused(content: bytes) -> None:
    try:
        protocol.parse_poll(content.decode(errors="surrogateescape"))
    except BadFrame:
        return


async def test_a_storm_of_made_up_frames_ends_sockets_only_with_defined_codes(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    codes = set()

    for words in _made_up(60):
        raw = await Raw.connect(house)
        await raw.greet(house, amy)
        raw.writer.write(text(words.replace("CHAT", chat.id)) + closing(1000))
        codes.add(await raw.code())
        raw.close()

    assert codes <= {1000, Close.BAD_FRAME, Close.ABUSE}, codes


def _made_up(count: int) -> list[str]:
    """The same ones in every run."""
    found: list[str] = []

    @settings(
        max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(WIRE)
    def collect(words: str) -> None:
        found.append(words)

    collect()
    return found


async def test_a_socket_cut_at_any_byte_of_the_conversation_leaves_nothing(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    said = text(json.dumps({"t": "sub", "c": chat.id})) + text('{"t":"ping","n":1}') + closing(1000)

    for cut in range(1, len(said), 23):
        raw = await Raw.connect(house)
        await raw.greet(house, amy)
        raw.writer.write(said[:cut])
        await raw.writer.drain()
        raw.close()

"""docs/protocol.md: every example is what the code reads and writes, and nothing of the protocol is missing there."""

import json
import re
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import fields

from chat import protocol
from chat.protocol import Close
from chat.state import KINDS

PAGE_FOLDER = Path(__file__).parents[2] / "docs"
PAGE = (PAGE_FOLDER / "protocol.md").read_text()
CLIENT = re.findall(r"```json client\n(.*?)\n```", PAGE, re.DOTALL)
POLL = re.findall(r"```json poll\n(.*?)\n```", PAGE, re.DOTALL)
SEND = re.findall(r"```json send\n(.*?)\n```", PAGE, re.DOTALL)
ANSWER = re.findall(r"```json answer\n(.*?)\n```", PAGE, re.DOTALL)
SERVER = re.findall(r"```json server\n(.*?)\n```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", CLIENT)
def test_an_example_of_a_clients_frame_is_read_whole(example: str) -> None:
    (frame,) = protocol.parse(example)

    known = {field.encode_name for field in fields(type(frame))} | {"t"}
    assert set(json.loads(example)) <= known


@pytest.mark.parametrize("example", SERVER)
def test_an_example_of_a_servers_frame_is_what_the_server_writes(example: str) -> None:
    (frame,) = protocol.read_server(example)

    assert json.loads(protocol.write(frame)) == json.loads(example)


@pytest.mark.parametrize("example", POLL)
def test_an_example_of_a_poll_is_read_whole(example: str) -> None:
    asked = protocol.parse_poll(example)

    assert json.loads(json.dumps(msgspec.to_builtins(asked)), object_hook=_without_none) == json.loads(example)


def _without_none(value: dict[str, Any]) -> dict[str, Any]:  # Any: JSON values
    return {name: each for name, each in value.items() if each is not None}


@pytest.mark.parametrize("example", SEND)
def test_an_example_of_frames_sent_in_one_request_is_read_whole(example: str) -> None:
    assert [type(frame) for frame in protocol.parse(example)] == [protocol.Send, protocol.Read]


@pytest.mark.parametrize("example", ANSWER)
def test_an_example_of_an_answer_is_what_the_server_writes(example: str) -> None:
    frames = protocol.read_server(example)

    assert [json.loads(protocol.write(frame)) for frame in frames] == json.loads(example)


def test_there_are_examples_of_the_way_without_a_socket() -> None:
    assert (len(POLL), len(SEND), len(ANSWER)) == (1, 1, 2)


def test_every_frame_has_an_example() -> None:
    shown = {json.loads(example)["t"] for example in CLIENT}, {json.loads(example)["t"] for example in SERVER}
    exist = tuple(
        {str(frame.__struct_config__.tag) for frame in typing.get_args(frames)}
        for frames in (protocol.ClientFrame, protocol.ServerFrame)
    )

    assert shown == exist


def test_every_kind_of_event_and_every_close_code_is_explained() -> None:
    missing_kinds = {kind for kind in KINDS if f"`{kind}`" not in PAGE}
    missing_codes = {int(code) for code in Close if str(int(code)) not in PAGE}

    assert (missing_kinds, missing_codes) == (set(), set())


def test_a_client_leaves_out_the_kinds_of_frames_that_it_does_not_know() -> None:
    known, unknown, wrong = '{"t":"gone","c":"c1"}', '{"t":"applause","c":"c1"}', '{"t":"gone"}'

    assert protocol.read_server(unknown) == []
    assert protocol.read_server(f"[{unknown},{known}]") == [protocol.Gone("c1")]
    with pytest.raises(msgspec.ValidationError):
        protocol.read_server(wrong)

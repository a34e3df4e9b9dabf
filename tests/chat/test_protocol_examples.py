"""docs/protocol.md: every example is what the code reads and writes, and nothing of the protocol is missing there."""

import json
import re
import typing
from pathlib import Path

import pytest
from msgspec.structs import fields

from chat import protocol
from chat.protocol import Close
from chat.state import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
CLIENT = re.findall(r"```json client\n(.*?)\n```", PAGE, re.DOTALL)
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

"""The protocol as an AsyncAPI 3.0 document, made from the very structs that read and write it.

    python -m chat.asyncapi > docs/asyncapi.json

`docs/protocol.md` is for people, this is for generators; a test keeps the file current. Pure but for the last line.
"""

import sys
from collections.abc import Iterable
from typing import Any, get_args

import msgspec
from msgspec import Struct

from chat import protocol

Json = dict[str, Any]  # Any: JSON values

REFERENCE = "#/components/schemas/{name}"
SUMMARIES = {
    "socket": "A WebSocket with JSON text frames; several frames may go into one message as an array.",
    "poll": "Where a client stands; answered with what follows, at once or after a wait of at most 25 seconds.",
    "send": "One frame or an array of at most 64; answered when everything is on disk.",
}
SENT_ALONE = (protocol.Send, protocol.Get, protocol.Read, protocol.Received, protocol.Typing)
NEVER_POLLED = (protocol.Pong, protocol.Ack, protocol.Page)
ANSWERED = (protocol.Ack, protocol.Err, protocol.Ev, protocol.Page, protocol.Gone)


def document() -> Json:
    """The whole document; it names no server, because every shop has its own."""
    from_clients, from_server = get_args(protocol.ClientFrame), get_args(protocol.ServerFrame)
    frames = {**_named(from_clients, "client"), **_named(from_server, "server"), "client.poll": protocol.Poll}
    schemas, components = msgspec.json.schema_components(
        list(frames.values()), ref_template="#/components/schemas/{name}"
    )
    polled = [frame for frame in from_server if frame not in NEVER_POLLED]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Aftercare chat", "version": protocol.SUBPROTOCOL, "description": SUMMARIES["socket"]},
        "defaultContentType": "application/json",
        "channels": {
            "socket": _channel("/chat/socket", "socket", frames) | {"bindings": {"ws": {"method": "GET"}}},
            "poll": _channel("/chat/poll", "poll", ["client.poll", *_named(polled, "server")]),
            "send": _channel("/chat/send", "send", [*_named(SENT_ALONE, "client"), *_named(ANSWERED, "server")]),
        },
        "operations": {
            "hear": _operation("receive", "socket", _named(from_clients, "client")),
            "tell": _operation("send", "socket", _named(from_server, "server")),
            "poll": _request("poll", ["client.poll"], _named(polled, "server")),
            "send": _request("send", _named(SENT_ALONE, "client"), _named(ANSWERED, "server")),
        },
        "components": {
            "messages": {
                name: {"name": name.split(".")[1], "payload": schema}
                for name, schema in zip(frames, schemas, strict=True)
            },
            "schemas": components,
        },
    }


def written() -> str:
    """As the file has it."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"


def _named(frames: Iterable[type[Struct]], side: str) -> dict[str, type[Struct]]:
    return {f"{side}.{frame.__struct_config__.tag}": frame for frame in frames}


def _channel(address: str, name: str, messages: Iterable[str]) -> Json:
    known = {message: {"$ref": f"#/components/messages/{message}"} for message in messages}
    return {"address": address, "summary": SUMMARIES[name], "messages": known}


def _operation(action: str, channel: str, messages: Iterable[str]) -> Json:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "messages": _of(channel, messages)}


def _request(channel: str, asked: Iterable[str], answered: Iterable[str]) -> Json:
    reply = {"channel": {"$ref": f"#/channels/{channel}"}, "messages": _of(channel, answered)}
    bindings = {"http": {"method": "POST"}}
    return _operation("receive", channel, asked) | {"bindings": bindings, "reply": reply}


def _of(channel: str, messages: Iterable[str]) -> list[Json]:
    return [{"$ref": f"#/channels/{channel}/messages/{message}"} for message in messages]


if __name__ == "__main__":
    sys.stdout.write(written())

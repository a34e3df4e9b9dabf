"""Control: commands reach a running server through a socket file, because SQLite has exactly one writing process.

Danger. Whoever can write to the socket can run any command. It lies in the data folder with mode 0600, so that is
the account that could read the keys anyway.

One request a connection: a JSON line `{"name", "arguments"}`; the answer is JSON lines `{"line"}`, `{"progress"}`,
`{"table"}`, `{"error"}` and at last `{"exit"}`.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.refusals import Refusal
from core.report import Report
from support.house import House

Arguments = Mapping[str, Any]  # Any: JSON values, each command checks its own
Command = Callable[[House, Report, Arguments], Awaitable[int]]
LINE_LIMIT = 16 * 1024 * 1024


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """What a command line asks of the server."""

    name: str
    arguments: dict[str, Any]


def socket_path(data: Path) -> Path:
    """Where the server of this data folder listens for commands."""
    return data / "control.sock"


@contextlib.asynccontextmanager
async def listening(house: House, commands: Mapping[str, Command]) -> AsyncIterator[None]:
    """Answer commands while the block runs."""
    path = socket_path(house.core.settings.data)
    path.unlink(missing_ok=True)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _answer(house, commands, reader, writer)
        finally:
            writer.close()

    mask = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(serve, path, limit=LINE_LIMIT)
    finally:
        os.umask(mask)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


async def _answer(
    house: House, commands: Mapping[str, Command], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    report = RemoteReport(writer)
    try:
        request = msgspec.json.decode(await reader.readline(), type=Request)
        code = await commands[request.name](house, report, request.arguments)
    except Refusal as refusal:
        report.send({"error": refusal.sentence})
        code = 1
    except (msgspec.DecodeError, KeyError):
        report.send({"error": "This server does not know that command. Is it the same version?"})
        code = 2
    report.send({"exit": code})
    with contextlib.suppress(ConnectionError):
        await writer.drain()


class RemoteReport:
    """A report that is shown at the other end of the socket."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one line; a client that left costs nothing."""
        if not self._writer.is_closing():
            self._writer.write(msgspec.json.encode(message) + b"\n")

    def line(self, text: str) -> None:
        self.send({"line": text})

    def progress(self, label: str, done: int, total: int) -> None:
        self.send({"progress": [label, done, total]})

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.send({"table": [list(headers), [list(row) for row in rows]]})


async def ask(path: Path, name: str, arguments: Arguments, report: Report) -> int:
    """Have the running server carry out a command; its report is shown here. Returns the exit code."""
    reader, writer = await asyncio.open_unix_connection(path, limit=LINE_LIMIT)
    writer.write(msgspec.json.encode({"name": name, "arguments": arguments}) + b"\n")
    code = 1
    async for line in reader:
        message = msgspec.json.decode(line)
        match message:
            case {"line": text}:
                report.line(text)
            case {"progress": [label, done, total]}:
                report.progress(label, done, total)
            case {"table": [headers, rows]}:
                report.table(headers, rows)
            case {"error": sentence}:
                raise Refusal("refused", sentence)
            case {"exit": code}:
                break
    writer.close()
    return int(code)

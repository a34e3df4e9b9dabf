"""What sealing and opening cost on this machine: `python -m benchmarks.vault`."""

import os
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from core.vault import envelope
from core.vault.keys import DataKey, Kind
from core.vault.stream import CHUNK, HEADER, Opener, Sealer, span

ROUNDS = 5
MEBIBYTE = 1 << 20


def main() -> None:
    """Print the table."""
    table = Table("operation", "best of 5", title="The vault")
    for length in (20, 200, 2_000):
        text_rows(table, length)
    file_rows(table, 16 * MEBIBYTE)
    Console().print(table)


def text_rows(table: Table, length: int) -> None:
    key, plaintext, times = DataKey(7, os.urandom(32)), os.urandom(length), 5_000
    conversation, message = os.urandom(16).hex(), os.urandom(16).hex()

    def place() -> bytes:
        return envelope.message_context("shop", conversation, message, seq=7, sender="person:x", created_ms=1)

    context = place()
    sealed = envelope.seal(key, Kind.MESSAGE, context, plaintext)
    seal = best(lambda: [envelope.seal(key, Kind.MESSAGE, context, plaintext) for _ in range(times)])
    unseal = best(lambda: [envelope.unseal(key, Kind.MESSAGE, context, sealed) for _ in range(times)])
    named = best(lambda: [place() for _ in range(times)])
    table.add_row(f"seal {length:,} B", f"{seal / times * 1e6:.1f} µs")
    table.add_row(f"unseal {length:,} B", f"{unseal / times * 1e6:.1f} µs")
    table.add_row("  its context", f"{named / times * 1e6:.1f} µs")


def file_rows(table: Table, total: int) -> None:
    key, plaintext, context = DataKey(7, os.urandom(32)), os.urandom(total), b"file"
    pieces = [plaintext[start : start + CHUNK] for start in range(0, total, CHUNK)]

    def seal() -> bytes:
        sealer = Sealer(key, context)
        return b"".join([sealer.header, *(sealer.push(piece) for piece in pieces), sealer.finish()])

    sealed = seal()
    whole, middle = span(total, 0, total), span(total, total // 2 + 5, total // 2 + 105)

    def open_whole() -> bytes:
        return whole.open(Opener(key, context, sealed[:HEADER]), sealed[HEADER:])

    def seek() -> bytes:
        wanted = sealed[middle.offset : middle.offset + middle.length]
        return middle.open(Opener(key, context, sealed[:HEADER]), wanted)

    mebibytes = total / MEBIBYTE
    table.add_row(f"seal a file of {mebibytes:.0f} MiB", f"{mebibytes / best(seal):,.0f} MiB/s")
    table.add_row("open it whole", f"{mebibytes / best(open_whole):,.0f} MiB/s")
    table.add_row("open 100 B in its middle", f"{best(seek) * 1e6:.1f} µs")


def best(work: Callable[[], object]) -> float:
    """Seconds of the fastest round."""
    took: list[float] = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return min(took)


if __name__ == "__main__":
    main()

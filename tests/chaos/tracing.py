"""The order of system calls of a real server: whether what it acknowledges has been given to the disk before."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CALLS = "openat,close,pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg,recvfrom,recvmsg,read"
_RESUMED = re.compile(r"<\.\.\. (?P<name>\w+) resumed>")


def strace(output: Path) -> Sequence[str]:
    """The command to start a server through; the tracer is a grandchild, so that the server keeps its own number."""
    return ["strace", "-D", "-f", "-qq", "-y", "-s", "4096", "-o", str(output), "-e", f"trace={CALLS}"]


@dataclass(frozen=True)
class Order:
    """How many acknowledgements were seen, and how many of them came after their write had been synced."""

    acks: int
    synced: int


def order(trace: Path, file: str) -> Order:
    """Walk through the calls: since the last acknowledgement there must be a write to `file` and then a sync of it.

    Messages have to be sent one at a time, so that between two acknowledgements lies one message's work. A call that
    another thread interrupts counts where it is finished when it is a sync, and where it begins when it is a write.
    """
    acks = synced = 0
    is_written = is_synced = False
    syncing: set[str] = set()
    for line in trace.read_text(errors="replace").splitlines():
        thread, _, call = line.partition(" ")
        call = call.strip()
        if call.startswith("pwrite64(") and file in call.partition(",")[0]:
            is_written, is_synced = True, False
        elif call.startswith(("fdatasync(", "fsync(")) and file in call:
            if "<unfinished" in call:
                syncing.add(thread)
            else:
                is_synced = is_written
        elif (resumed := _RESUMED.match(call)) and resumed["name"] in ("fdatasync", "fsync") and thread in syncing:
            syncing.discard(thread)
            is_synced = is_written
        elif call.startswith(("write(", "writev(", "sendto(", "sendmsg(")) and r"\"t\":\"ack\"" in call:
            acks += 1
            synced += is_written and is_synced
            is_written = is_synced = False
    return Order(acks, synced)

"""The `aftercare` command with its transactions counted: `python -m benchmarks.counted serve`.

The file named by `COUNTS` holds two numbers of eight bytes, reads and writes, since the start of the process.
"""

import mmap
import os
import struct
import threading
from pathlib import Path
from typing import Any

from core.database import Database
from support import cli

COUNTS = struct.Struct("<QQ")


def read_counts(file: Path) -> tuple[int, int]:
    """Reading and writing transactions of the server so far."""
    reads, writes = COUNTS.unpack(file.read_bytes())
    return reads, writes


def count_in(file: Path) -> None:
    """Count from now on."""
    file.write_bytes(bytes(COUNTS.size))
    with file.open("r+b") as opened:
        shared = mmap.mmap(opened.fileno(), COUNTS.size)
    lock = threading.Lock()
    counts = [0, 0]

    def counted(verb: Any, place: int) -> Any:  # Any: a method of any signature, passed on as it is
        def call(*args: Any, **kwargs: Any) -> Any:
            with lock:
                counts[place] += 1
                COUNTS.pack_into(shared, 0, *counts)
            return verb(*args, **kwargs)

        return call

    Database.read_now = counted(Database.read_now, 0)  # type: ignore[method-assign]
    Database.write_in = counted(Database.write_in, 1)  # type: ignore[method-assign]


if __name__ == "__main__":
    count_in(Path(os.environ["COUNTS"]))
    cli.main()

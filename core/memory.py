"""Memory: what a process that holds keys and words forbids before it holds any.

A core dump is a copy of the memory on the disk, with everything in it that is sealed everywhere else. Python cannot
wipe what it has let go of, so there must be none: neither by the limit, nor by a handler that the limit does not reach.
"""

import ctypes
import resource
from typing import Final

PR_SET_DUMPABLE: Final = 4


def forbid_dumps() -> None:
    """No core dump of this process from now on, and nobody of its own account may look into its memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)

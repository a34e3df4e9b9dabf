"""How long a run is, with which seed, and where its result is kept.

Short in the normal suite. `AFTERCARE_CHAOS_LENGTH=10` makes every run ten times as long, `AFTERCARE_CHAOS_SEED` repeats
one, `AFTERCARE_CHAOS_RESULTS` names the file that collects the lines.
"""

import os
import random
from pathlib import Path

from support.replay.result import Result

LENGTH = int(os.environ.get("AFTERCARE_CHAOS_LENGTH", "1"))
IS_LONG = LENGTH > 1
SEED = int(os.environ.get("AFTERCARE_CHAOS_SEED") or random.SystemRandom().randrange(2**31))


def keep(result: Result) -> None:
    """Print the line, with the seed in it, and add it to the file of results when there is one."""
    print(result.line())  # noqa: T201  (pytest shows it when the test fails)
    if file := os.environ.get("AFTERCARE_CHAOS_RESULTS"):
        with Path(file).open("a") as lines:
            lines.write(result.line() + "\n")

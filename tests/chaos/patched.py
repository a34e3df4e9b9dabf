"""The real server with faults or mutations built into it, for tests alone: `python -m tests.chaos.patched NAME… serve`.

Each NAME may carry a value, `crash-after-commit=50`. The product knows nothing of this: the patches are made to its
modules in this process before it starts.
"""

import sys

from support import cli
from tests.chaos import faults, mutations

PATCHES = {**faults.FAULTS, **mutations.MUTATIONS}


def main() -> None:
    """Build in what is named, then run the command that follows."""
    words = sys.argv[1:]
    while words and (named := words[0].partition("="))[0] in PATCHES:
        PATCHES[named[0]](named[2])
        words.pop(0)
    sys.argv = ["aftercare", *words]
    cli.main()


if __name__ == "__main__":
    main()

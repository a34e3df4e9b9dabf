"""The long form, and its report: `python -m tests.chaos.report [LENGTH]` runs it and writes docs/reliability.md."""

import datetime
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from core.settings import ROOT
from tests.chaos import scale

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- results: written by make chaos -->", "<!-- end of results -->"


def main(length: str = "10") -> int:
    """Run every test in its long form; the lines are kept only when all of them passed."""
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines"
        lines.touch()
        chosen = {
            "AFTERCARE_CHAOS_LENGTH": length,
            "AFTERCARE_CHAOS_SEED": str(scale.SEED),
            "AFTERCARE_CHAOS_RESULTS": str(lines),
        }
        _say(f"seed {scale.SEED}, length {length}")
        command = [sys.executable, "-m", "pytest", "tests/chaos"]
        code = subprocess.run(command, cwd=ROOT, env=os.environ | chosen, check=False).returncode
        found = lines.read_text().splitlines()
    _say("\n".join(found))
    if code == 0:
        write(PAGE, found, length)
    _say(f"seed {scale.SEED}: {'every promise kept' if code == 0 else 'FAILED'}")
    return code


def write(page: Path, lines: Sequence[str], length: str) -> None:
    """Put the results between the marks of the page."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    day = datetime.datetime.now(datetime.UTC).date()
    memory = psutil.virtual_memory().total // 2**30
    machine = f"{os.cpu_count()} cores, {memory} GB, {platform.system()}, Python {platform.python_version()}"
    command = f"`AFTERCARE_CHAOS_SEED={scale.SEED} make chaos LENGTH={length}`"
    told = [f"{command} on {day}, {machine}. Times are milliseconds.", "", "```", *lines, "```"]
    page.write_text(before + "\n".join([BEGIN, "", *told, "", END]) + after)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  (a command)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

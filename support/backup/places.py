"""Places: where a back-up may lie, and how sealed files get from one place to another.

Data back-ups may be kept as long as one likes, copies of the keystore for days only; whoever keeps both in one place
has kept the keys of what was erased beside it. So each refuses the company of the other.
"""

import errno
import os
import shutil
from pathlib import Path
from typing import Final

from core import disk
from core.refusals import Conflict
from core.settings import Settings
from media.blobs import BlobStore, LocalBlobs
from support.backup.manifest import is_backup

KEYS_MARK: Final = 0x61666B79  # `application_id` of a copy of the keystore: "afky"
_MARKED: Final = slice(68, 72)  # where SQLite keeps it in the file
_NO_LINK: Final = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS})


def refuse_postgres(settings: Settings) -> None:
    """Say what to use instead. Raises: Conflict."""
    if not settings.is_embedded:
        raise Conflict(
            "not_embedded",
            "With PostgreSQL use its own tools: `pg_dump --format=custom --file=data.dump DATABASE` for a copy, "
            "or base back-ups with WAL archiving (pgBackRest, WAL-G) for a moment of your choice; then copy the media. "
            "Put back with `pg_restore` while every server is stopped: the first start notices and settles it.",
        )


def local(blobs: BlobStore) -> LocalBlobs:
    """The store as a folder. Raises: Conflict."""
    if not isinstance(blobs, LocalBlobs):
        raise Conflict("media_not_local", "The media do not lie in a folder: copy the bucket with its own tools.")
    return blobs


def refuse_taken(path: Path) -> None:
    """Nothing is ever overwritten. Raises: Conflict."""
    if path.exists():
        raise Conflict("there_already", f"{path} is there already; nothing was overwritten. Choose a new name.")


def refuse_beside_keys(folder: Path) -> None:
    """Data do not go where copies of the keystore lie. Raises: Conflict."""
    if folder.parent.is_dir() and any(is_keys(path) for path in folder.parent.iterdir() if path.is_file()):
        raise Conflict(
            "beside_keys", f"{folder.parent} holds copies of the keystore. Keep the data apart: they live longer."
        )


def refuse_beside_data(file: Path, settings: Settings) -> None:
    """Copies of the keystore do not go where data or back-ups of them lie. Raises: Conflict."""
    home = settings.data.resolve()
    above = [file.parent, *file.parent.parents]
    beside = [path for path in file.parent.iterdir() if path.is_dir()] if file.parent.is_dir() else []
    if home in above or any(is_backup(folder) for folder in (*above, *beside)):
        raise Conflict(
            "beside_data",
            f"{file.parent} holds data or back-ups of them. Keep copies of the keystore on another machine or volume, "
            "and for days only: together they would open what was erased since.",
        )


def is_keys(path: Path) -> bool:
    """Whether a file is a copy of a keystore that we have made; one that we cannot read we have not made."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError:
        return False
    return header[:15] == b"SQLite format 3" and header[_MARKED] == KEYS_MARK.to_bytes(4, "big")


def bring(source: Path, target: Path) -> bool:
    """Have a sealed file, which never changes, at another place too; says whether it was not there before."""
    if target.exists():
        return False
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        copy(source, target)
    return True


def copy(source: Path, target: Path) -> None:
    """A copy of its own, mode 0600, whole or not there at all; the folder's names are the caller's to sync."""
    part = target.with_name(f".{target.name}.00000000.part")  # as the store names its own, so that its sweep finds it
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with source.open("rb") as content, os.fdopen(descriptor, "wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
    disk.sync_file(part)
    part.rename(target)


def sync_tree(folder: Path) -> None:
    """Wait until every name below the folder is on the disk."""
    for path in (*(each for each in folder.rglob("*") if each.is_dir()), folder, folder.parent):
        disk.sync_folder(path)

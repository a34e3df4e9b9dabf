"""The services that every room is handed; built once, in `support/app.py`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.database import Database
from core.hub import Hub
from core.limits import Limits
from core.policy import Policy
from core.settings import Settings
from core.vault.keystore import Vault

if TYPE_CHECKING:  # the rooms that know no HTTP import this module too
    from starlette.requests import HTTPConnection


@dataclass(eq=False)
class Core:
    """What `core/` offers to the rooms above it; `policy` is the version in force, and changes when the next one is."""

    settings: Settings
    database: Database
    vault: Vault
    policy: Policy
    hub: Hub
    limits: Limits


def core_of(connection: "HTTPConnection") -> Core:
    """The services of the application that serves this request or socket."""
    core = connection.app.state.core
    assert isinstance(core, Core)
    return core

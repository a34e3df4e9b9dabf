"""How a part of the product is exchanged in a test's own process; a name that is not there any more is an error."""

from typing import Any


def exchange(owner: object, name: str, by: object) -> None:
    """From now on `owner.name` is something else."""
    if not hasattr(owner, name):
        raise AttributeError(f"{owner} has no {name}: the patch must follow the product")
    setattr(owner, name, by)


def original(owner: object, name: str) -> Any:  # Any: whatever is about to be wrapped
    """What `owner.name` is now."""
    return getattr(owner, name)

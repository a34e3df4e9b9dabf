"""The same house as the desk's tests."""

from tests.support.desk.conftest import core, settings

__all__ = ["core", "settings"]

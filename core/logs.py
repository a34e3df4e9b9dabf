"""Logs: one JSON line an event, and only the fields on the list, so that content cannot get in by accident.

Danger. A log outlives the data and is read by more people (clause 2 lead, R-2.0). So a field that is not listed
here is dropped, whoever wrote it, and no listed field ever holds text that a person typed.
"""

import logging
from collections.abc import MutableMapping
from typing import Any

import structlog

FIELDS = frozenset(
    {
        "event", "level", "timestamp", "logger", "kind", "where", "number", "method", "route", "status", "ms",
        "count", "code", "job", "attempts", "name", "pid", "port", "version", "engine", "seconds", "conversation",
        "close_code", "clause", "state",
    }
)  # fmt: skip


def set_up() -> None:
    """Send structlog and the standard library's warnings through the list."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_listed,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(),
    )
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s", force=True)


def only_listed(
    _: Any, __: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:  # Any: as structlog has it
    """Drop every field that is not on the list."""
    return {name: value for name, value in event.items() if name in FIELDS}

"""Identity: who is asking, how they proved it, and what they may do."""

from core.identity.callers import SYSTEM, Caller, Role

__all__ = ["SYSTEM", "Caller", "Role"]

"""What the register of processors keeps: agreements with companies, as long as they are part of the security plan."""

from core.holdings import Holding


def holding() -> Holding:
    """The processors; nothing in a row is about a customer."""
    return Holding(name="processors", title="Others who help us", clause="3(4)", tables=("processor",))

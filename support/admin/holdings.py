"""What administration keeps: how access was reviewed, which is about staff and lives as long as the accounts do."""

from core.holdings import Holding
from support.admin.models import AccessReview


def holdings() -> list[Holding]:
    """Reviews of access."""
    table = str(AccessReview.__tablename__)
    return [Holding(name="access_reviews", title="Reviews of access", clause="3(2)", tables=(table,))]

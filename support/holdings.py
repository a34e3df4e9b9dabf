"""Holdings: all that the house keeps about people; retention, copies and erasure walk this list."""

from collections.abc import Sequence

import chat.holdings
import media.holdings
import support.admin.holdings
import support.disclosure.holdings
import support.incidents.holdings
import support.mydata.holdings
import support.orders.holdings
import support.policy.holdings
import support.privacy.holdings
import support.processors.holdings
import support.rights.holdings
import support.shopper.holdings
from core import holdings_of_core
from core.holdings import Holding
from core.services import Core
from media.uploads import Media


def every(core: Core, media_room: Media) -> Sequence[Holding]:
    """The holdings, in the order in which a person reads them in her copy."""
    return (
        *holdings_of_core.holdings(),
        chat.holdings.holding(core),
        media.holdings.holding(media_room),
        support.orders.holdings.holding(),
        *support.mydata.holdings.holdings(media_room),
        *support.privacy.holdings.holdings(),
        support.rights.holdings.holding(),
        support.disclosure.holdings.holding(core),
        support.processors.holdings.holding(),
        *support.policy.holdings.holdings(),
        *support.shopper.holdings.holdings(),
        *support.admin.holdings.holdings(),
        *support.incidents.holdings.holdings(),
    )

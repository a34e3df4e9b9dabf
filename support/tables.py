"""Every room's tables, for migrations: a table that is not named here does not exist."""

from types import ModuleType

import chat.models
import core.generation
import core.identity.models
import core.jobs
import core.ledger
import core.mail
import media.models
import support.admin.models
import support.disclosure.models
import support.incidents.models
import support.mydata.models
import support.orders.models
import support.policy.models
import support.privacy.models
import support.processors.models
import support.rights.models
import support.shopper.models

ALL: tuple[ModuleType, ...] = (
    core.generation,
    core.identity.models,
    core.jobs,
    core.ledger,
    core.mail,
    media.models,
    chat.models,
    support.mydata.models,
    support.orders.models,
    support.policy.models,
    support.privacy.models,
    support.rights.models,
    support.disclosure.models,
    support.processors.models,
    support.shopper.models,
    support.admin.models,
    support.incidents.models,
)

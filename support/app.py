"""The whole product on one page: which rooms there are, which doors they have, who stands at the door."""

from collections.abc import Awaitable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

import chat.web
import core.web.assets
import core.web.health
import media.web
import support.admin.web
import support.demo_shop
import support.desk.web
import support.disclosure.web
import support.incidents.web
import support.mydata.web
import support.policy.web
import support.privacy.web
import support.processors.web
import support.retention.web
import support.review.web
import support.rights.web
import support.shopper.web
from chat import poll, socket
from core.identity import access
from core.settings import Settings
from core.web import access_log, csrf, edge, headers
from support.carriers import CARRIERS
from support.house import House


class Application(Starlette):
    """A socket goes straight to its door: those who stand at the doors of pages have nothing to say to it, and each
    would stand beside it as long as it is open."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override]  # awaited
        if scope["type"] != "websocket":
            return super().__call__(scope, receive, send)
        scope["app"] = self
        return self.router(scope, receive, send)


def create(house: House) -> Starlette:
    """The application of an opened house."""
    settings = house.core.settings
    app = Application(
        routes=routes(settings),
        middleware=[
            Middleware(access_log.AccessLog),
            Middleware(headers.SecurityHeaders, settings=settings),
            Middleware(access.Renewal),
            Middleware(edge.Edge),
            Middleware(csrf.CsrfGuard),
        ],
        exception_handlers={404: edge.not_found, HTTPException: edge.http_error},
    )
    app.state.house = house
    app.state.core, app.state.media, app.state.chat = house.core, house.media, house.chat
    app.state.carriers = CARRIERS
    app.state.draining = False
    return app


def routes(settings: Settings) -> list[BaseRoute]:
    """Every door of the house."""
    doors: list[BaseRoute] = [
        *socket.routes,  # first: thousands may come at once
        *support.shopper.web.routes,
        *support.mydata.web.routes,
        *support.desk.web.routes,
        *support.review.web.routes,
        *support.privacy.web.routes,
        *support.rights.web.routes,
        *support.retention.web.routes,
        *support.processors.web.routes,
        *support.disclosure.web.routes,
        *support.policy.web.routes,
        *support.incidents.web.routes,
        *support.admin.web.routes,
        *chat.web.routes,
        *poll.routes,
        *media.web.routes(chat.web.may_see),
        *core.web.health.routes,
        *core.web.assets.routes,
    ]
    if not settings.is_production:
        doors += support.demo_shop.routes
    return doors

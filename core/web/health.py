"""Signs of health: alive, ready, and the numbers."""

import hmac

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from core.database import Transaction
from core.refusals import NotFound
from core.services import core_of


async def alive(_: Request) -> Response:
    """The process answers."""
    return PlainTextResponse("alive\n")


async def ready(request: Request) -> Response:
    """The process can do its work: the database answers, the keys are there, nobody asked us to stop."""
    if getattr(request.app.state, "draining", False):
        return PlainTextResponse("draining\n", status_code=503)
    core = core_of(request)
    await core.database.read(_touch)
    core.vault.lookup("health", "check")
    return PlainTextResponse("ready\n")


async def metrics(request: Request) -> Response:
    """Prometheus text; asked with the token of `AFTERCARE_METRICS_TOKEN`, otherwise not there."""
    wanted = core_of(request).settings.metrics_token
    sent = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not wanted or not hmac.compare_digest(wanted.encode(), sent.encode()):
        raise NotFound
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _touch(tx: Transaction) -> None:
    tx.execute(text("SELECT 1"))


routes = [Route("/healthz", alive), Route("/readyz", ready), Route("/metrics", metrics)]

"""The access log: time, route template, status and latency; never a path, a query or an address (R-2.0)."""

import time

import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("web")
REQUESTS = Counter("aftercare_requests_total", "HTTP requests answered", ["method", "status"])
SECONDS = Histogram("aftercare_request_seconds", "Time to answer HTTP requests")
QUIET = frozenset({"/healthz", "/readyz", "/metrics", "/assets/{name:path}"})


class AccessLog:
    """Write one line for each HTTP request that was answered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            seconds = time.perf_counter() - began
            REQUESTS.labels(scope["method"], str(status)).inc()
            SECONDS.observe(seconds)
            route = getattr(scope.get("route"), "path", "-")
            if route not in QUIET:
                log.info("request", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 1))

"""What stands at every door: headers, the check against forged requests, refusals in the reader's language."""

from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from core import clock
from core.database import Transaction
from core.identity import access, people, signins
from core.identity.signins import Fresh, Holder
from core.refusals import Invalid
from core.services import Core
from core.web import access_log, bodies, csrf, edge, headers

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    words: str


async def read(_: Request) -> Response:
    return PlainTextResponse("hello")


async def framed(_: Request) -> Response:
    return headers.frame(PlainTextResponse("hello"))


async def change(request: Request) -> Response:
    wish = await bodies.body(request, Wish, limit=100)
    return bodies.json(request, {"heard": wish.words})


async def fill_in(request: Request) -> Response:
    return bodies.json(request, await bodies.form(request))


async def refuse(_: Request) -> Response:
    raise Invalid("email_syntax", "That is not an e-mail address.")


async def break_down(_: Request) -> Response:
    raise ZeroDivisionError("a secret that was in a variable")


ROUTES = [
    Route("/read", read),
    Route("/framed", framed),
    Route("/change", change, methods=["POST"]),
    Route("/form", fill_in, methods=["POST"]),
    Route("/refuse", refuse),
    Route("/break", break_down),
]


@pytest_asyncio.fixture
async def client(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(
        routes=ROUTES,
        middleware=[
            Middleware(access_log.AccessLog),
            Middleware(headers.SecurityHeaders, settings=core.settings),
            Middleware(edge.Edge),
            Middleware(csrf.CsrfGuard),
        ],
        exception_handlers={404: edge.not_found, 405: edge.http_error},
    )
    app.state.core = core
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000") as client:
        yield client


async def guest(core: Core) -> tuple[str, str]:
    """A guest's cookie and the token of her sign-in."""

    def sign_in(tx: Transaction) -> Fresh:
        now = clock.now()
        visitor = people.welcome_visitor(tx, now=now)
        return signins.start(tx, core.hub, Holder("visitor", visitor, "guest"), now=now)

    fresh = await core.database.write(sign_in)
    return f"{access.COOKIES['visitor'].name}={fresh.token}", csrf.token(core.vault, fresh.id)


async def test_a_page_may_run_only_our_own_scripts_and_be_framed_by_nobody(client: httpx.AsyncClient) -> None:
    answer = await client.get("/read")

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


async def test_the_widget_frame_may_be_shown_by_us_and_carries_no_mark_of_how(client: httpx.AsyncClient) -> None:
    answer = await client.get("/framed")

    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert "x-frame-options" not in answer.headers
    assert headers.FRAME_FLAG not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8000.evil.example"},
        {},
    ],
)
async def test_a_change_that_another_site_asks_for_is_refused(
    client: httpx.AsyncClient, origin: dict[str, str]
) -> None:
    answer = await client.post("/change", json={"words": "x"}, headers=origin)

    assert answer.status_code == 403
    assert answer.json()["error"] == "forged"


@pytest.mark.parametrize("origin", [SAME_ORIGIN, {"Origin": "http://localhost:8000"}])
async def test_a_change_that_our_own_page_asks_for_is_made(client: httpx.AsyncClient, origin: dict[str, str]) -> None:
    answer = await client.post("/change", json={"words": "x"}, headers=origin)

    assert answer.json() == {"heard": "x"}


async def test_a_signed_in_change_needs_the_token_of_that_sign_in(client: httpx.AsyncClient, core: Core) -> None:
    cookie, token = await guest(core)
    _, foreign = await guest(core)
    signed_in = {**SAME_ORIGIN, "Cookie": cookie}

    without = await client.post("/change", json={"words": "x"}, headers=signed_in)
    with_another = await client.post("/change", json={"words": "x"}, headers={**signed_in, "X-CSRF-Token": foreign})
    with_its_own = await client.post("/change", json={"words": "x"}, headers={**signed_in, "X-CSRF-Token": token})

    assert [without.status_code, with_another.status_code, with_its_own.status_code] == [403, 403, 200]


async def test_a_signed_in_form_needs_the_token_in_its_hidden_field(client: httpx.AsyncClient, core: Core) -> None:
    cookie, token = await guest(core)
    signed_in = {**SAME_ORIGIN, "Cookie": cookie}

    without = await client.post("/form", data={"words": "x"}, headers=signed_in)
    with_it = await client.post("/form", data={"words": "x", "csrf_token": token}, headers=signed_in)

    assert without.status_code == 403
    assert with_it.json() == {"words": "x"}


async def test_a_form_posted_as_text_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/change", content=b'{"words":"x"}', headers={**SAME_ORIGIN, "Content-Type": "text/plain"}
    )

    assert answer.status_code == 415


@pytest.mark.parametrize(
    "content",
    [b"{", b'{"words":1}', b'{"words":"x","role":"admin"}', b'{"words":NaN}', b"[" * 90, b'{"words":"\\ud800"}'],
)
async def test_a_body_that_is_not_what_we_expect_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    answer = await client.post("/change", content=content, headers={**SAME_ORIGIN, "Content-Type": "application/json"})

    assert answer.status_code == 422
    assert answer.json()["error"] == "body"


async def test_a_body_over_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/change", json={"words": "x" * 200}, headers=SAME_ORIGIN)

    assert answer.status_code == 413


async def test_a_refusal_says_in_words_what_is_wrong(client: httpx.AsyncClient) -> None:
    answer = await client.get("/refuse")

    assert answer.status_code == 422
    assert answer.json() == {"error": "email_syntax", "message": "That is not an e-mail address."}


@pytest.mark.clause("2(1)")
async def test_a_fault_shows_and_logs_a_number_and_no_content(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await client.get("/break")

    assert answer.status_code == 500
    assert "secret" not in answer.text
    logged = capsys.readouterr().out
    assert "secret" not in logged
    assert answer.json()["number"] in logged


async def test_what_is_not_there_is_said_to_be_not_there(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nowhere")

    assert answer.status_code == 404
    assert answer.json()["error"] == "not_found"

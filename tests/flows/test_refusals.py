"""What is not yours is not there, and what is wrong is refused in words, by a real server."""

import io
from collections.abc import Iterator

import pytest
from PIL import Image

from core import ids
from tests.browserless import Browserless
from tests.site import Site

EMMA, DANIEL = "emma.novak@example.com", "daniel.reyes@example.com"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    started = Site(tmp_path_factory.mktemp("refusals"))
    started.start()
    yield started
    started.stop()


@pytest.fixture
def emma(site: Site) -> Iterator[Browserless]:
    browser = Browserless(site.url)
    yield browser
    browser.close()


@pytest.fixture
def stranger(site: Site) -> Iterator[Browserless]:
    browser = Browserless(site.url)
    yield browser
    browser.close()


@pytest.mark.clause("2(2)")
def test_a_code_works_once_in_the_browser_that_asked_for_it(emma: Browserless, stranger: Browserless) -> None:
    conversation, other = emma.start(), stranger.start()
    code = emma.ask_for_code(EMMA)
    wrong = f"{(int(code) + 1) % 10**8:08}"

    refusals = [emma.prove(wrong, conversation), stranger.prove(code, other)]
    right = emma.prove(code, conversation)
    again = emma.prove(code, conversation)

    assert [answer.status_code for answer in refusals] == [422, 422]
    assert {answer.json()["error"] for answer in refusals} == {"code_wrong"}
    assert right.status_code == 200
    assert again.status_code == 422
    assert orders_are_hers_alone(emma, stranger, conversation, other)


def orders_are_hers_alone(emma: Browserless, stranger: Browserless, conversation: str, other: str) -> bool:
    """Her orders, conversation and pictures are not there for the stranger, exactly as what does not exist."""
    order = emma.send("GET", "/shopper/orders").json()["orders"][0]["id"]
    attempts = [
        ("GET", f"/chat/conversations/{conversation}/events", f"/chat/conversations/{ids.new()}/events", None),
        ("POST", f"/shopper/conversations/{conversation}/order", f"/shopper/conversations/{ids.new()}/order", order),
        (
            "PUT",
            f"/chat/conversations/{conversation}/media/{'a' * 32}",
            f"/chat/conversations/{ids.new()}/media/{'a' * 32}",
            None,
        ),
    ]
    for method, hers, nobodys, body in attempts:
        how = {"json": {"order": body}} if body else {}
        not_hers, not_there = stranger.send(method, hers, **how), stranger.send(method, nobodys, **how)
        assert not_hers.status_code == not_there.status_code == 404, (method, hers, not_hers.text)
        assert not_hers.content == not_there.content
    linked = stranger.send("POST", f"/shopper/conversations/{other}/order", json={"order": order})
    return linked.status_code in {401, 404, 409}


@pytest.mark.clause("3(1)")
def test_a_picture_is_there_for_its_two_sides_only(emma: Browserless, stranger: Browserless) -> None:
    conversation = emma.start()
    stranger.start()
    picture = emma.upload(conversation, one_pixel(), "a.png").json()["id"]

    hers = emma.send("GET", f"/media/{picture}/view")
    not_hers, not_there = (stranger.send("GET", f"/media/{each}/view") for each in (picture, ids.new()))

    assert hers.status_code == 200
    assert hers.headers["cache-control"] == "no-store"
    assert not_hers.status_code == not_there.status_code == 404
    assert not_hers.content == not_there.content


@pytest.mark.parametrize("content", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"hello", b""])
def test_what_is_not_a_picture_is_refused_in_words(emma: Browserless, content: bytes) -> None:
    conversation = emma.start()

    refused = emma.upload(conversation, content, "photo.png")

    assert refused.status_code in {415, 422}
    assert refused.json()["message"].endswith(".")


def test_staff_pages_are_shut_for_shoppers(emma: Browserless) -> None:
    emma.start()

    shut = [emma.send("GET", path).status_code for path in ("/desk/inbox", "/review", "/admin")]

    assert set(shut) <= {303, 401, 404}


@pytest.mark.clause("2(5)")
def test_every_cookie_is_in_the_register_and_shut_to_scripts(emma: Browserless) -> None:
    conversation = emma.start()
    emma.prove(emma.ask_for_code(DANIEL), conversation)

    lines = [line for answer in emma.seen for line in answer.headers.get_list("set-cookie")]

    assert {line.partition("=")[0] for line in lines} <= {"__Host-cs", "__Host-cv", "__Host-cx", "__Host-cd"}
    for line in lines:
        assert all(word in line for word in ("Secure", "HttpOnly", "SameSite=lax", "Path=/")), line


def one_pixel() -> bytes:
    """A PNG of our own."""
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(out, "PNG")
    return out.getvalue()

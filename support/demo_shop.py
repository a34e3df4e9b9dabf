"""The demo shop's front: a page with our widget on it, and the mailbox: letters, and how to sign in as the demo staff.

Danger. A page that shows everybody's sign-in codes and the staff's passwords.

Principle. These doors exist only on a development machine; anywhere else they are not there, whoever asks, and the
mailbox is there only while no mail relay is set.
"""

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from core import clock, mail
from core.refusals import NotFound
from core.services import Core, core_of
from core.web import i18n
from core.web.bodies import json
from core.web.rendering import render
from support import demo

PICTURES = Path(__file__).parent / "demo_data" / "pictures"
PICTURE_FRESHNESS = "public, max-age=3600"


async def shop(request: Request) -> Response:
    """The shop's page, with the widget's launcher on it."""
    core = _development(request)
    locale = "zh_Hant" if i18n.negotiate(request) == "zh-Hant" else "en"
    goods = [
        {
            "sku": product.sku,
            "name": product.name[locale],
            "options": " · ".join(product.options.get(locale, {}).values()),
            "price": product.price,
        }
        for product in demo.products()
    ]
    return render(request, "demo/shop.html", goods=goods, origin=core.settings.origin)


async def picture(request: Request) -> Response:
    """The drawing of an article."""
    _development(request)
    name = f"{request.path_params['sku']}.svg"
    if name not in {file.name for file in PICTURES.iterdir()}:
        raise NotFound
    return FileResponse(PICTURES / name, media_type="image/svg+xml", headers={"Cache-Control": PICTURE_FRESHNESS})


async def mailbox(request: Request) -> Response:
    """The letters that a mail relay would have taken, newest first."""
    letters, core = await _letters(request), core_of(request)
    colleagues = await run_in_threadpool(demo.staff_credentials, core, now=clock.now())
    return render(request, "demo/mailbox.html", letters=letters, colleagues=colleagues)


async def newest(request: Request) -> Response:
    """Which letter is the newest, for the page to look for."""
    letters = await _letters(request)
    return json(request, {"newest": letters[0].id if letters else ""})


async def _letters(request: Request) -> list[mail.Letter]:
    core = _development(request)
    if not mail.keeps(core):
        raise NotFound
    return await core.database.read(mail.kept, core, now=clock.now())


def _development(request: Request) -> Core:
    core = core_of(request)
    if core.settings.is_production:
        raise NotFound
    return core


routes = [
    Route("/demo/shop", shop),
    Route("/demo/pictures/{sku}.svg", picture),
    Route("/demo/mailbox", mailbox),
    Route("/demo/mailbox/newest", newest),
]

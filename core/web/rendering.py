"""Rendering: Jinja draws every page's frame, in the reader's language, with autoescape on."""

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from core.services import core_of
from core.settings import ROOT
from core.web import assets, csrf, i18n


def render(request: Request, name: str, *, status: int = 200, **context: Any) -> HTMLResponse:  # Any: template values
    """The page `templates/<name>` in the request's language."""
    return HTMLResponse(page(request, name, **context), status_code=status)


def page(request: Request, name: str, **context: Any) -> str:
    """As `render`, as text."""
    settings = core_of(request).settings
    lang = i18n.negotiate(request)
    formats = i18n.Formats(lang, settings.time_zone, settings.currency)
    sign_in = context.pop("sign_in", None)
    return (
        environment(lang)
        .get_template(name)
        .render(
            request=request,
            lang=lang,
            other_langs={code: label for code, label in i18n.NAMES.items() if code != lang},
            shop=settings.shop_name,
            contact=settings.contact_email,
            is_production=settings.is_production,
            csrf_token=csrf.token(core_of(request).vault, sign_in) if sign_in else "",
            formats=formats,
            **context,
        )
    )


@cache
def environment(lang: str) -> Environment:
    """The templates of one language."""
    templates = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    templates.install_gettext_translations(i18n.CATALOGUES[lang], newstyle=True)  # type: ignore[attr-defined]
    templates.globals.update(asset=assets.url, data_block=data_block)
    return templates


def data_block(name: str, value: object) -> Markup:
    """A JSON data block for scripts to read: `<script type="application/json" id=name>`; not executable."""
    text = msgspec.json.encode(value, enc_hook=str).decode()  # gettext in a template gives Markup, a kind of str
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup('<script type="application/json" id="{}">{}</script>').format(name, Markup(safe))  # noqa: S704


def translator(lang: str) -> Callable[[str], str]:
    """`_` for code that draws no template."""
    return lambda msgid: i18n.gettext(lang, msgid)

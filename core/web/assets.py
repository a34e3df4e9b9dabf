"""Assets: the built scripts and styles under hashed names, compressed when they were built."""

from functools import cache
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from core.refusals import NotFound
from core.settings import ROOT

DIST = ROOT / "web" / "dist"
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".json": "application/json",
}
FOR_EVER = "public, max-age=31536000, immutable"
LAUNCHER_FRESHNESS = "public, max-age=300, stale-while-revalidate=86400"


class AssetsMissingError(RuntimeError):
    """The browser files have not been built."""

    def __init__(self) -> None:
        super().__init__("The browser files are missing. Run `make assets`.")


@cache
def manifest() -> dict[str, str]:
    """Which hashed file stands for which name."""
    try:
        return msgspec.json.decode((DIST / "manifest.json").read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        raise AssetsMissingError from None


def url(name: str) -> str:
    """The address of an asset, such as `/assets/shopper.3F9A.js`."""
    return f"/assets/{manifest()[name]}"


async def serve(request: Request) -> Response:
    """An asset by its hashed name: brotli when the browser takes it, cached for ever."""
    name = request.path_params["name"]
    if name not in manifest().values():
        raise NotFound
    return _file(request, DIST / name, {"Cache-Control": FOR_EVER})


async def launcher(request: Request) -> Response:
    """The widget's launcher under its one fixed name, for any shop's page."""
    headers = {
        "Cache-Control": LAUNCHER_FRESHNESS,
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Timing-Allow-Origin": "*",
    }
    return _file(request, DIST / manifest()["widget.js"], headers)


async def missing_icon(_: Request) -> Response:
    """Browsers ask for this unasked; there is none."""
    return PlainTextResponse("", status_code=204, headers={"Cache-Control": "public, max-age=86400"})


def _file(request: Request, path: Path, headers: dict[str, str]) -> Response:
    headers = {**headers, "Vary": "Accept-Encoding"}
    media_type = TYPES.get(path.suffix, "application/octet-stream")
    packed = path.with_name(path.name + ".br")
    if "br" in request.headers.get("accept-encoding", "") and packed.exists():
        return FileResponse(packed, media_type=media_type, headers={**headers, "Content-Encoding": "br"})
    return FileResponse(path, media_type=media_type, headers=headers)


routes = [
    Route("/assets/{name:path}", serve),
    Route("/widget.js", launcher),
    Route("/favicon.ico", missing_icon),
]

"""Pictures on their way into a conversation of a real server."""

import io
import random

import httpx
from PIL import Image

from chat.lines import cookie_header
from support.replay.doors import Admission
from tests.site import Site


def picture(size: int = 64) -> bytes:
    """A picture that does not compress, about four bytes a pixel."""
    noise = random.Random(size).randbytes(size * size * 3)
    made = io.BytesIO()
    Image.frombytes("RGB", (size, size), noise).save(made, "PNG")
    return made.getvalue()


async def upload(site: Site, who: Admission, conversation: str, name: str, content: bytes) -> httpx.Response:
    """Send it under this upload's name. Raises: httpx.TransportError when the server dies of it."""
    headers = {
        "Cookie": cookie_header(who.cookies),
        "Content-Type": "image/png",
        "Origin": site.url,
        "Sec-Fetch-Site": "same-origin",
        "X-CSRF-Token": who.csrf,
    }
    async with httpx.AsyncClient(base_url=site.url, headers=headers, timeout=30) as http:
        return await http.put(f"/chat/conversations/{conversation}/media/{name}?name=parcel.png", content=content)

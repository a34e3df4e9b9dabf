"""A browser without a window: a cookie jar and the token of its page, against a real server."""

import re
from typing import Any
from uuid import uuid4

import httpx

CODE = re.compile(r"\b(\d{4}) ?(\d{4})\b")


class Browserless:
    """One shopper's browser. `Secure` cookies are carried by hand, so that a server on localhost needs no TLS."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, headers={"Sec-Fetch-Site": "same-origin", "Accept-Language": "en"})
        self._cookies: dict[str, str] = {}
        self._csrf = ""
        self.seen: list[httpx.Response] = []

    def close(self) -> None:
        self._client.close()

    def move_to(self, url: str) -> None:
        """Go on at another process of the same site."""
        self._client.base_url = url

    def send(self, method: str, path: str, **how: Any) -> httpx.Response:  # Any: httpx's own keywords
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if self._csrf:
            headers["X-CSRF-Token"] = self._csrf
        answer = self._client.request(method, path, headers=headers | how.pop("headers", {}), **how)
        self.seen.append(answer)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name] = value.strip('"')
        return answer

    def start(self) -> str:
        """Agree to the notice as a guest; the conversation's id."""
        version = re.search(r'"version":"([^"]+)"', self.send("GET", "/chat").text)
        assert version is not None
        begun = self.send("POST", "/shopper/start", json={"policy_version": version[1], "agreed": True, "locale": "en"})
        assert begun.status_code in {200, 201}, begun.text
        return self._keep(begun)

    def ask_for_code(self, email: str) -> str:
        """Ask for a code and read it in the mailbox."""
        asked = self.send("POST", "/shopper/code", json={"email": email})
        assert asked.status_code == 200, asked.text
        letter = re.search(r"<article.*?</article>", self.send("GET", "/demo/mailbox").text, re.DOTALL)
        code = CODE.search(letter[0] if letter else "")
        assert code is not None
        return code[1] + code[2]

    def prove(self, code: str, conversation: str) -> httpx.Response:
        """Type the code."""
        proven = self.send("POST", "/shopper/verify", json={"code": code, "conversation": conversation})
        if proven.status_code == 200:
            self._keep(proven)
        return proven

    def upload(self, conversation: str, content: bytes, name: str) -> httpx.Response:
        """Send a file towards a conversation."""
        path = f"/chat/conversations/{conversation}/media/{uuid4()}"
        return self.send("PUT", path, params={"name": name}, content=content)

    @property
    def cookies(self) -> dict[str, str]:
        return dict(self._cookies)

    @property
    def csrf(self) -> str:
        return self._csrf

    def _keep(self, answer: httpx.Response) -> str:
        told = answer.json()
        self._csrf = told["csrf"]
        conversation = told["conversation"]
        return str(conversation if isinstance(conversation, str) else conversation["id"])

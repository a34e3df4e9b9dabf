"""Refusals: what we answer when the answer is no.

A refusal carries a code for programs and a sentence a shopper may read. "Not yours" and "not there" are one
refusal, so that an identifier can never be tried out. Only the edge turns a refusal into HTTP or a frame.
"""

from collections.abc import Mapping


class Refusal(Exception):
    """The request is understood and declined.

    `sentence` is an English msgid, translated at the edge; `fields` are safe extras such as `retry_ms`.
    """

    status = 400

    def __init__(self, code: str, sentence: str, **fields: object) -> None:
        super().__init__(code)
        self.code = code
        self.sentence = sentence
        self.fields: Mapping[str, object] = fields


class NotFound(Refusal):
    """Not there, or not yours: nobody is told which."""

    status = 404

    def __init__(self, code: str = "not_found", sentence: str = "We can't find that.", **fields: object) -> None:
        super().__init__(code, sentence, **fields)


class NotSignedIn(Refusal):
    """No sign-in, or one that has ended."""

    status = 401

    def __init__(
        self, code: str = "not_signed_in", sentence: str = "Please sign in and try again.", **fields: object
    ) -> None:
        super().__init__(code, sentence, **fields)


class NotAllowed(Refusal):
    """Known, and not permitted to this role, relation or purpose."""

    status = 403

    def __init__(
        self, code: str = "not_allowed", sentence: str = "Your role does not permit this.", **fields: object
    ) -> None:
        super().__init__(code, sentence, **fields)


class Invalid(Refusal):
    """The input is not what it must be; the sentence says what to do."""

    status = 422


class Conflict(Refusal):
    """Something else happened first."""

    status = 409


class TooMany(Refusal):
    """Over a limit; `retry_ms` says when to come back."""

    status = 429

    def __init__(
        self,
        retry_ms: int,
        code: str = "too_many",
        sentence: str = "That was a little fast. Please try again in a moment.",
        **fields: object,
    ) -> None:
        super().__init__(code, sentence, retry_ms=retry_ms, **fields)
        self.retry_ms = retry_ms


class TooLarge(Refusal):
    """Larger than the limit that the sentence names."""

    status = 413


class Unsupported(Refusal):
    """A kind of content that we do not take."""

    status = 415


class Unavailable(Refusal):
    """We cannot serve this now and have stored nothing."""

    status = 503

    def __init__(
        self,
        code: str = "unavailable",
        sentence: str = "We can't do this just now. Please try again in a moment.",
        **fields: object,
    ) -> None:
        super().__init__(code, sentence, **fields)

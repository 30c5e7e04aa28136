"""The exceptions of the service, and the one table that maps them to HTTP.

SentimentError
├── BundleError            a bundle is missing, broken or tampered with
├── ProviderError          the execution provider asked for cannot be had
└── RequestError           answered to the client, see STATUS
    ├── MalformedBody      the body is not JSON
    ├── NotFound           no such route or model
    ├── MethodNotAllowed   the route exists, the method does not
    ├── BodyTimeout        the body did not come, or stopped coming
    ├── TooLarge           beyond a limit of size; the message names both numbers
    ├── UnsupportedMedia   the body is of another content type
    ├── InvalidInput       the body is JSON but not what the route takes
    ├── Overloaded         the queue is full; come back later
    ├── Unavailable        the engine cannot answer now
    ├── DeadlineExceeded   the answer was not ready in time
    └── InternalError      a defect of ours
"""

from __future__ import annotations


class SentimentError(Exception):
    """Base of everything the service raises on purpose."""


class BundleError(SentimentError):
    """A model bundle cannot be used; the message says which file and why."""


class ProviderError(SentimentError):
    """The execution provider that the settings insist on is not available."""


class RequestError(SentimentError):
    """A request, or one of its inputs, that is answered with an error.

    `type` is the stable name that clients may switch on, `param` the path of the
    offending field (`inputs`, `inputs.3`, `top_k`), where there is one.
    """

    type = "request_error"

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param

    @property
    def status(self) -> int:
        """Its HTTP status."""
        return STATUS[type(self)]


class MalformedBody(RequestError):
    type = "malformed_body"


class NotFound(RequestError):
    type = "not_found"


class MethodNotAllowed(RequestError):
    type = "method_not_allowed"


class BodyTimeout(RequestError):
    type = "body_timeout"


class TooLarge(RequestError):
    type = "too_large"


class UnsupportedMedia(RequestError):
    type = "unsupported_media_type"


class InvalidInput(RequestError):
    type = "invalid_input"


class Overloaded(RequestError):
    """`retry_after_s` becomes the Retry-After header."""

    type = "overloaded"

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(RequestError):
    type = "unavailable"


class DeadlineExceeded(RequestError):
    type = "deadline_exceeded"


class InternalError(RequestError):
    type = "internal_error"


STATUS: dict[type[RequestError], int] = {
    MalformedBody: 400,
    NotFound: 404,
    MethodNotAllowed: 405,
    BodyTimeout: 408,
    TooLarge: 413,
    UnsupportedMedia: 415,
    InvalidInput: 422,
    Overloaded: 429,
    InternalError: 500,
    Unavailable: 503,
    DeadlineExceeded: 504,
}

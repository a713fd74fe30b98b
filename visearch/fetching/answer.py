"""The head of an answer, or what came instead of one → an error that says what to do."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import httpcore2

from visearch.errors import (
    FetchError,
    UrlNotFound,
    UrlRateLimited,
    UrlTimeout,
    UrlUnreachable,
)
from visearch.fetching.waits import asked_s

_GONE = (404, 410)
_CLOSED = (401, 402, 403, 407, 451)
_PASSING = (408, 421, 425)
_LATER = "Try again later."
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,512}")


def header(response: httpcore2.Response, name: bytes) -> str | None:
    """Return the first header of this name (in lower case)."""
    for key, value in response.headers:
        if key.lower() == name:
            return value.decode("latin-1")
    return None


def validator(response: httpcore2.Response, name: bytes) -> str | None:
    """Return a header that can be sent back as it came."""
    value = header(response, name)
    return value if value and all(map(_PRINTABLE.fullmatch, value.split(" "))) else None


def refusal(response: httpcore2.Response, host: str) -> FetchError:
    """Return the error that an answer other than 200, 304 or a redirect stands for."""
    status = response.status
    said = f"{status} {_phrase(status)}".strip()
    asked = asked_s(header(response, b"retry-after"))
    if status in _GONE:
        return UrlNotFound(f"{host} has no file at this URL ({said}). Correct the URL.")
    if status in _CLOSED:
        return FetchError(
            f"{host} does not let visearch read this URL ({said}). Make it public, or allow it "
            "there for the user agent “visearch”."
        )
    if status == 429:
        return UrlRateLimited(
            f"{host} wants to be asked less often ({said}). {_LATER}", passes=True, asked_s=asked
        )
    if status >= 500 or status in _PASSING:
        return FetchError(
            f"{host} has a fault of its own ({said}). {_LATER}", passes=True, asked_s=asked
        )
    return FetchError(
        f"{host} answered {said} instead of sending the file. Use a URL that a browser shows "
        "without logging in."
    )


@contextmanager
def network_errors(host: str) -> Iterator[None]:
    """Turn what goes wrong on the network inside the ``with`` block into an error of ours.

    Nothing that the other side or the system said is repeated: it can name addresses.
    """
    try:
        yield
    except httpcore2.TimeoutException as error:
        raise timeout(host) from error
    except httpcore2.ProxyError as error:
        raise UrlUnreachable(
            f"The proxy of this installation does not connect to {host}. Ask its operator whether "
            "it may; try again later.",
            passes=True,
        ) from error
    except httpcore2.ConnectError as error:
        raise _not_connected(host, error) from error
    except httpcore2.RemoteProtocolError as error:
        raise UrlUnreachable(
            f"{host} broke off, or its answer is not HTTP. {_LATER}", passes=True
        ) from error
    except (httpcore2.NetworkError, ssl.SSLError) as error:
        raise UrlUnreachable(f"{host} broke off. {_LATER}", passes=True) from error


def timeout(host: str) -> UrlTimeout:
    """Return the error of a host that takes too long."""
    return UrlTimeout(f"{host} takes longer than it may. {_LATER}", passes=True)


def _not_connected(host: str, error: httpcore2.ConnectError) -> UrlUnreachable:
    cause = error.args[0] if error.args else None  # the pool removes it from `__cause__`
    if isinstance(cause, ssl.SSLCertVerificationError):
        return UrlUnreachable(
            f"The certificate of {host} is not valid ({cause.verify_message.strip('. ')}). "
            "Have it renewed, or correct the URL."
        )
    if isinstance(cause, ssl.SSLError):
        return UrlUnreachable(f"{host} does not speak TLS as it should. {_LATER}", passes=True)
    return UrlUnreachable(f"{host} does not accept connections. {_LATER}", passes=True)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""

"""Base64 in every form in which a client may write it."""

from __future__ import annotations

import base64
import contextlib
import textwrap
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.api.base64_text import bytes_of

FORMS: list[Callable[[bytes], str]] = [
    lambda data: base64.b64encode(data).decode(),
    lambda data: base64.b64encode(data).decode().rstrip("="),
    lambda data: base64.urlsafe_b64encode(data).decode(),
    lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
    lambda data: base64.encodebytes(data).decode(),
    lambda data: "\r\n".join(textwrap.wrap(base64.b64encode(data).decode(), 64)),
    lambda data: "data:image/jpeg;base64," + base64.b64encode(data).decode(),
    lambda data: "DATA:image/svg+xml;charset=utf-8;BASE64," + base64.b64encode(data).decode(),
    lambda data: " data:;base64,\n" + base64.urlsafe_b64encode(data).decode(),
]


@pytest.mark.parametrize("form", FORMS)
@given(data=st.binary(max_size=300))
def test_what_was_encoded_comes_back(form: Callable[[bytes], str], data: bytes) -> None:
    assert bytes_of(form(data)) == data


@pytest.mark.parametrize("text", ["a", "****", "data:text/plain,hello", "aGk=aGk=", "aé", "\ud800"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        bytes_of(text)


@given(st.text(max_size=100))
def test_any_text_is_decoded_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(bytes_of(text), bytes)

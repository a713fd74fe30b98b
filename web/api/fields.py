"""The types of single fields: what a text, a number, an id may be."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from visearch import rules
from visearch.errors import NotFound


def _one_error(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Report one error for a value, not one for each type it could have been."""
    try:
        return check(value)
    except ValidationError as error:
        detail = "an attribute is a string, a finite number, a boolean or a list of strings"
        raise PydanticCustomError("attribute", detail) from error


def _findable(name: str) -> str:
    if len(name) <= rules.LONGEST_ID and rules.is_storable(name):
        return name
    raise NotFound("There is nothing of that name.")


def _fetchable(url: str) -> str:
    if url.strip().lower().startswith(("http://", "https://")):
        return url.strip()
    raise PydanticCustomError("url", "Write the URL as https://host/path.")


Name = Annotated[str, AfterValidator(_findable)]
"""The name or id of what a request is about; databases do not look for one with a NUL."""

Text = Annotated[str, Field(pattern=rules.TEXT_PATTERN)]
Title = Annotated[Text, Field(max_length=rules.LONGEST_TITLE)]
Url = Annotated[Text, Field(max_length=rules.LONGEST_URL)]
PictureUrl = Annotated[Url, AfterValidator(_fetchable)]
Description = Annotated[Text, Field(max_length=rules.LONGEST_DESCRIPTION)]
Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Number = Annotated[float, Field(allow_inf_nan=False)]
AttributeValue = Annotated[Text | bool | Int64 | Number | list[Text], WrapValidator(_one_error)]


def _fit(attributes: dict[str, Any]) -> dict[str, Any]:
    if problem := rules.attributes_problem(attributes):
        raise PydanticCustomError("attributes", "{problem}", {"problem": problem})
    return attributes


Attributes = Annotated[
    dict[Text, AttributeValue], Field(max_length=rules.MAX_COUNT), AfterValidator(_fit)
]


def _fit_change(changes: dict[str, Any]) -> dict[str, Any]:
    """Check what is set and what is removed each as if they were all that a product had."""
    _fit({name: value for name, value in changes.items() if value is not None})
    _fit({name: "" for name, value in changes.items() if value is None})
    return changes


ChangedValue = Annotated[
    Text | bool | Int64 | Number | list[Text] | None, WrapValidator(_one_error)
]
AttributeChanges = Annotated[dict[Text, ChangedValue], AfterValidator(_fit_change)]

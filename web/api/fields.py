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


Name = Annotated[str, AfterValidator(_findable)]
"""The name or id of what a request is about; databases do not look for one with a NUL."""

Text = Annotated[str, Field(pattern=rules.TEXT_PATTERN)]
Title = Annotated[Text, Field(max_length=rules.LONGEST_TITLE)]
Url = Annotated[Text, Field(max_length=rules.LONGEST_URL)]
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

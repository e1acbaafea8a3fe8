"""Every kind of grader that a suite can name. Another one is a struct with `grade`, and a line here."""

from collections.abc import Mapping
from types import MappingProxyType

from freehold.move.evaluate.sample import Grader
from freehold.move.evaluate.text_graders import Answered, Length, Match, Pattern, Refusal
from freehold.move.evaluate.value_graders import JsonFields, Number, ToolCalls, Valid

KINDS: Mapping[str, type[Grader]] = MappingProxyType(
    {
        "answered": Answered,
        "match": Match,
        "json": JsonFields,
        "schema": Valid,
        "number": Number,
        "calls": ToolCalls,
        "pattern": Pattern,
        "length": Length,
        "refusal": Refusal,
    }
)

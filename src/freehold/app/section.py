"""What every section of `freehold.yaml` is made of: frozen, no unknown fields, no infinite numbers; and the kinds of field."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from freehold.core.data import DataClass


class Section(BaseModel):
    """Base of every section: frozen, no unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


def known(kind: str, names: frozenset[str]) -> AfterValidator:
    """Refuses a name that is none of `names`, and lists them."""

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"unknown {kind} {name!r}; known: {', '.join(sorted(names))}")
        return name

    return AfterValidator(check)


def _lower(text: str) -> str:
    return text.strip().lower()


def _class(value: object) -> object:
    return DataClass.parse(value) if isinstance(value, str) else value


Lower = Annotated[str, Field(min_length=1), AfterValidator(_lower)]
Class = Annotated[DataClass, BeforeValidator(_class)]
Regions = list[Lower]
Label = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$"), AfterValidator(_lower)]

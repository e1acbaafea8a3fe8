"""What `freehold.yaml` may say about prompt variants and the weights that answer them."""

from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator, model_validator

from freehold.app.section import Section, matching
from freehold.core.prompt import CONTENT

_FILE = "file:"
_NAME = "[A-Za-z][A-Za-z0-9._-]{0,63}"


def _chosen(value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict) and all(isinstance(text, str) for pair in value.items() for text in pair):
        return value
    raise ValueError("write the name of a variant, such as v2, or names by target, such as {gpt-4o: v1}")


VariantName = Annotated[str, matching(_NAME, "a variant's name is a letter, and after it letters, digits, . _ and -, such as v2")]
ChosenPrompt = Annotated[str | dict[str, str] | None, BeforeValidator(_chosen)]
Weights = Annotated[
    str, matching("sha256:[0-9a-f]{64}", "write sha256: and 64 signs of 0-9 and a-f; 'freehold engines run' prints it")
]


class ParametersSettings(Section):
    """Sampling where the caller says nothing about it; a caller's own value stands."""

    temperature: float | None = Field(None, ge=0, le=2)
    """How freely it draws; 0: always the likeliest."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Draws among the likeliest that are so much together."""
    top_k: int | None = Field(None, ge=1, le=1_000_000)
    """Draws among so many; not every provider has it."""
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    """Against words by how often they came."""
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    """Against words that came at all."""
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    """Of the draw, where a server has one."""
    stop: list[str] | None = Field(None, min_length=1, max_length=16)
    """Texts that end an answer."""


class PromptSettings(Section):
    """One variant. Texts stand here, or in a file that `file:PATH` names, relative to this one."""

    system: str | None = Field(None, min_length=1)
    """Stands before the caller's own system text."""
    template: str | None = Field(None, min_length=1)
    """Stands around the text of the last user turn, which comes in at {content}."""
    parameters: ParametersSettings = ParametersSettings()
    """Hold where the caller says nothing."""

    @field_validator("template")
    @classmethod
    def has_one_place(cls, text: str | None) -> str | None:
        if text is not None and not text.startswith(_FILE):
            check_template(text)
        return text

    @model_validator(mode="after")
    def says_something(self) -> "PromptSettings":
        if self.system is None and self.template is None and not self.parameters.model_dump(exclude_none=True):
            raise ValueError("the variant says nothing; give system, template or parameters")
        return self


def check_template(text: str) -> None:
    """Raises ValueError where the caller's text has no place in it, or more than one."""
    if text.count(CONTENT) != 1:
        raise ValueError(f"the template has {CONTENT} {text.count(CONTENT)} times; the caller's text comes in there, once")


def file_named(text: str) -> str | None:
    """The path that a text names in place of itself."""
    return text.removeprefix(_FILE) if text.startswith(_FILE) else None

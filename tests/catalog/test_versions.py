"""A model's name is pinned only where it says a whole date or a revision; the shipped table of capabilities can be read."""

import pytest

from freehold.catalog.capabilities import load_capabilities
from freehold.catalog.versions import is_pinned
from freehold.serve.engines import ENGINES
from freehold.serve.providers import PROVIDERS


@pytest.mark.parametrize(
    ("model", "pinned"),
    [
        ("gpt-4o-2024-11-20", True),
        ("claude-3-5-sonnet-20241022", True),
        ("claude-3-5-sonnet@20241022", True),
        ("org/model@0123456789abcdef0123456789abcdef01234567", True),
        ("org/model@0123456", True),
        ("org/model@main", False),
        ("gpt-4o", False),
        ("gpt-4-0613", False),
        ("llama3-8b-8192", False),
        ("mistral-large-latest", False),
        ("model-2024-13-01", False),
        ("model-2024-1120", False),
        ("model-1202411205", False),
    ],
)
def test_names(model: str, pinned: bool) -> None:
    assert is_pinned(model) == pinned


def test_the_table_speaks_of_known_servers_only() -> None:
    table = load_capabilities()
    assert table.keys() <= ENGINES.keys() | PROVIDERS.keys()
    assert table["llamacpp"]["json_schema"] is True
    assert table["lab"]["json_schema"] is False
    assert "tools" not in table["llamacpp"], "it depends on the chat template of the weights"

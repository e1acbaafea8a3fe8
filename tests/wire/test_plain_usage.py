"""Of a target's usage only counts are kept: it must not be able to put a prompt into the ledger."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from freehold.wire.plain_usage import plain_usage

VENDORS = (
    '{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":4}}',
    '{"input_tokens":9,"cache_creation":{"ephemeral_5m_input_tokens":0},"output_tokens":3,"service_tier":"standard"}',
    '{"promptTokenCount":9,"promptTokensDetails":[{"modality":"TEXT","tokenCount":9}],"candidatesTokenCount":3}',
)


def test_what_vendors_report_stays() -> None:
    for raw in VENDORS:
        assert json.loads(plain_usage(raw) or "") == json.loads(raw)


def test_words_of_its_own_go() -> None:
    said = {
        "prompt_tokens": 9,
        "note": "Mrs Miller, 12 May 1960",
        "service_tier": "Mrs Miller",
        "Mrs Miller": 1,
        "deep": [["x", 1]],
    }
    assert json.loads(plain_usage(json.dumps(said)) or "") == {"prompt_tokens": 9, "deep": [[1]]}
    assert plain_usage('{"prompt_tok') is None
    assert plain_usage('"Mrs Miller"') is None


words = st.text(alphabet="äbc xyz", min_size=1)
values = st.recursive(words | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(words, inner), max_leaves=20)


@given(st.dictionaries(words, values))
def test_no_text_gets_through(said: dict[str, Any]) -> None:
    kept = plain_usage(json.dumps(said))
    assert kept is not None
    assert not {text for text in strings(json.loads(kept)) if " " in text or "ä" in text}


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(text for item in value.values() for text in strings(item))]
    return (
        [text for item in value for text in strings(item)]
        if isinstance(value, list)
        else [value]
        if isinstance(value, str)
        else []
    )

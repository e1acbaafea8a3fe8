"""An expression gives what the module's own search gives: it goes past its wrapper, not past its meaning."""

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.rules.sensitivity.expression import Expression
from freehold.rules.sensitivity.kinds import shipped_kinds

PATTERNS = [pattern for kind in shipped_kinds() for pattern in (*kind.patterns, *kind.near)]
pieces = st.sampled_from(
    "4012 8888 881 - . @ jo x.com DE89 password= hunter2! 078-05-1121 10.1.2.3 +49 ( ) 2001:db8:: é".split(" ")
)


@given(st.lists(pieces, max_size=12), st.sampled_from(PATTERNS), st.data())
def test_it_finds_what_the_modules_search_finds(words: list[str], pattern: str, more: st.DataObject) -> None:
    data = more.draw(st.sampled_from(["", " "])).join(words).encode()
    at = more.draw(st.integers(0, len(data)))
    end = more.draw(st.integers(0, len(data)))
    public, ours = re2.compile(pattern), Expression(pattern, "test")
    match = public.search(data, at, end)
    group = min(public.groups, 1)
    assert ours.find(data, at, end) == (None if match is None else (*match.span(), *match.span(group)))
    assert ours.occurs(data, at, end) is (match is not None)
    assert ours.is_whole(data[at:end]) is (public.fullmatch(data[at:end]) is not None)


def test_what_re2_cannot_read_is_refused_in_its_words() -> None:
    with pytest.raises(BadSettings, match=r"own.yaml: '\(' is not an RE2 expression: missing \)"):
        Expression("(", "own.yaml")

"""What hides a value from a pattern is undone, and the way back to the original text is exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.rules.sensitivity.folding import Folded, folded

CARD = "4012888888881881"


@pytest.mark.parametrize(
    "text",
    [
        "\u200b".join(CARD), "\u00ad".join(CARD), "\ufeff".join(CARD), "\U000e0020".join(CARD), "\u2063".join(CARD),
        "".join(chr(0xFF10 + int(d)) for d in CARD), "".join(chr(0x1D7CE + int(d)) for d in CARD),
        "".join(f"\\u{ord(d):04x}" for d in CARD),
        "".join(f"\\\\\\u{ord(d):04X}" for d in CARD), "".join(f"\\x{ord(d):02x}" for d in CARD),
        "".join(f"\\u{0xFF10 + int(d):04x}" for d in CARD),
        "\\u200b".join(CARD), "".join(f"\\ud835\\u{0xDFCE + int(d):04x}" for d in CARD),
    ],
)  # fmt: skip
def test_a_hidden_number_comes_out_plain(text: str) -> None:
    assert folded(text) == CARD.encode()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("4012\u20118888\u20138888\u22121881", "4012-8888-8888-1881"),
        ("4012\u00a08888\u20078888\u202f1881", "4012 8888 8888 1881"),
        ("a\u2028b", "a b"),
        ("line\\n4012", "line 4012"),
        ('say \\"hi\\"', 'say "hi"'),
        ("jo\uff20x\uff0ecom", "jo@x.com"),
    ],
)
def test_odd_spaces_dashes_and_forms_come_out_plain(text: str, plain: str) -> None:
    assert folded(text) == plain.encode()


def test_many_different_odd_characters_take_the_slow_pass_and_go_too() -> None:
    odd = "".join(chr(0xE0020 + at) for at in range(50))
    assert folded(f"a{odd}b\u2014c") == b"ab-c"


def test_plain_text_is_what_it_was() -> None:
    assert folded("C:\\dir, 50 % off; x = a*b") == b"C:\\dir, 50 % off; x = a*b"


@given(st.text())
def test_any_text_folds_to_utf_8(text: str) -> None:
    folded(text).decode()


tricky = st.text(st.sampled_from("ab1 @.\u200b\u00ad\uff11\u2014\u00e9e\u0301\ufb01\\nu0041x<\U0001f600\ud800"), max_size=40)


@given(tricky)
def test_each_folded_byte_knows_where_it_came_from(text: str) -> None:
    read = Folded(text)
    assert read.data.decode() is not None
    for at in range(len(read.data)):
        start, end = read.original(at, at + 1)
        assert 0 <= start < end <= len(text)
        assert read.data[at : at + 1] in folded(text[start:end])


@given(st.text(st.characters(max_codepoint=0x7E, min_codepoint=0x20, exclude_characters="\\")))
def test_plain_text_maps_to_itself(text: str) -> None:
    read = Folded(text)
    assert read.data == text.encode()
    assert all(read.original(at, at + 1) == (at, at + 1) for at in range(len(text)))

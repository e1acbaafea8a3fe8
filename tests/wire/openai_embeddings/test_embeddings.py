"""Embeddings. Exchanges by hand from OpenAI's published reference and SDK types, read 2026-11-21."""

import json
from typing import Any

import pytest

from freehold.core.conversation import Untranslatable
from freehold.core.data import DataClass
from freehold.core.entry import Attempt
from freehold.core.errors import BadRequest
from freehold.core.price import PriceCard, Rate
from freehold.core.request import Request
from freehold.core.target import Secret, Target
from freehold.core.usage import Usage
from freehold.rules.budget import TEMPLATE_TOKENS, bound_nanousd
from freehold.serve.gateway.billing import Passed, bill
from freehold.wire.content import Unscannable, texts
from freehold.wire.openai_embeddings import EmbeddingsSurface, OpenAiEmbeddings

SURFACE, NATIVE = EmbeddingsSurface(), OpenAiEmbeddings()
TARGET = Target(
    name="t", kind="rented", codec="openai", url="https://x.test/v1", model="m-1", clearance=DataClass.public, secret=Secret("k")
)
ANSWER = (
    b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.0023,-0.0093]}],"model":"m-1",'
    b'"usage":{"prompt_tokens":8,"total_tokens":8}}'
)


def read(**fields: Any) -> Request:
    return SURFACE.read(json.dumps({"model": "w", "input": "The food was delicious"} | fields).encode(), {})


@pytest.mark.parametrize("value", ["text", ["a", "b"], [5, 6], [[5], [6, 7]]])
def test_every_shape_of_input_leaves_as_it_came(value: Any) -> None:
    call = NATIVE.encode(read(input=value, dimensions=64, encoding_format="base64", user="u", provider={"only": ["t"]}), TARGET)
    assert call.url == "https://x.test/v1/embeddings"
    assert (call.headers["accept"], call.headers["authorization"]) == ("application/json", "Bearer k")
    expected = {"model": "m-1", "input": value, "dimensions": 64, "encoding_format": "base64", "user": "u"}
    assert json.loads(call.body) == expected


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"input": None}, "input"), ({"input": []}, "input"), ({"input": [{"image": "https://x.test"}]}, "input"),
        ({"model": ""}, "model"), ({"stream": True}, "stream"), ({"dimensions": 0}, "dimensions"),
        ({"dimensions": "x"}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"), ({"encoding_format": 7}, "encoding_format"),
    ],
)  # fmt: skip
def test_bad_bodies_are_refused_by_name(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRequest, match=named) as refused:
        read(**fields)
    assert refused.value.param == named


def test_egress_and_what_cannot_be_scanned() -> None:
    assert read(user="https://x.test").egress == frozenset()
    assert read(input_type="query").egress == {"unknown_field"}
    assert read(store=True).egress == {"store"}
    assert Unscannable("input", "tokens") in list(texts(read(input=[500, 6000]).fields))


def test_only_a_target_with_embeddings_answers() -> None:
    with pytest.raises(Untranslatable) as refused:
        SURFACE.parse(read())
    assert refused.value.field == "embeddings"


def test_usage_is_input_only() -> None:
    reply = NATIVE.decode(ANSWER)
    assert (reply.usage, reply.text_bytes) == (Usage(input_tokens=8, output_tokens=0, source="provider"), 0)
    more = ANSWER.replace(b'"total_tokens":8', b'"total_tokens":9')  # a total that would be output elsewhere
    assert NATIVE.decode(more).usage == reply.usage
    assert NATIVE.decode(ANSWER.replace(b',"usage":{"prompt_tokens":8,"total_tokens":8}', b"")).usage is None


@pytest.mark.parametrize("body", [b"{}", b"{", b"[]", b'{"data":7}', b'{"data":[],"error":{"message":"secret","code":"bad"}}'])
def test_no_embeddings_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        NATIVE.decode(body)
    assert "secret" not in str(error.value)


def test_it_can_bill_no_more_than_its_input() -> None:
    """Whatever an answer's tokens cost there, and without a bound on answers."""
    card = PriceCard(
        provider="p", model="m-1", input=Rate(20_000_000), output=Rate(10**12), valid_from="2026-01-01", source="a list"
    )
    request = read()
    body = TEMPLATE_TOKENS + sum(len(memoryview(raw)) for raw in request.fields.values())
    assert bound_nanousd(request, [(TARGET, card)]) == body * 20
    attempt = Attempt(target="t", model="m-1", kind="rented", reason="", started_s=0.0, status=200, price=card)
    bill(attempt, Passed(request.input_bytes, NATIVE.decode(ANSWER).text_bytes, 0, request))
    assert attempt.usage is not None
    assert attempt.usage.output_tokens == 0
    assert 0 < attempt.cost_nanousd <= bound_nanousd(request, [(TARGET, card)])

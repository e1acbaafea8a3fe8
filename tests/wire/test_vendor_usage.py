"""What each vendor's counts mean, in one table: blobs in the shape of the vendors' own pages, and each token counted once.

Shapes as documented by OpenAI (chat, Responses, embeddings), Anthropic (Messages, prompt caching), Google (generateContent),
Amazon (Converse), xAI, DeepSeek, Groq, Mistral, Together and Moonshot, as known in 2026-11; the numbers are made up so that no
two sums agree by chance.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from freehold.core.said import Used
from freehold.core.usage import Usage
from freehold.wire.anthropic_messages import Messages
from freehold.wire.anthropic_messages.usage import merged
from freehold.wire.bedrock_converse.usage import read_usage as read_bedrock
from freehold.wire.google_gemini.usage import read_usage as read_gemini
from freehold.wire.openai_chat import ENGINE, ChatComposer, OpenAiChat
from freehold.wire.openai_chat.usage import read_usage as read_openai
from freehold.wire.openai_chat.usage import usage_body
from freehold.wire.openai_responses.usage import read_usage as read_responses

# (vendor and case, reader, its blob, (input, output), what of it is told apart)
TABLE: list[tuple[str, str, dict[str, Any], tuple[int, int], dict[str, int]]] = [
    (
        "openai, cached is part of the prompt", "openai",
        {"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
         "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
         "completion_tokens_details": {"reasoning_tokens": 192, "audio_tokens": 0, "accepted_prediction_tokens": 0}},
        (2006, 300), {"cache_read": 1920, "reasoning": 192, "input_audio": 0, "output_audio": 0},
    ),
    (
        "openai, sound in and out", "openai",
        {"prompt_tokens": 141, "completion_tokens": 256, "total_tokens": 397,
         "prompt_tokens_details": {"text_tokens": 21, "audio_tokens": 120, "cached_tokens": 0},
         "completion_tokens_details": {"text_tokens": 56, "audio_tokens": 200, "reasoning_tokens": 0}},
        (141, 256), {"cache_read": 0, "input_audio": 120, "output_audio": 200, "reasoning": 0},
    ),
    (
        "openai, sound that a cache must have held", "openai",
        {"prompt_tokens": 141, "completion_tokens": 5, "prompt_tokens_details": {"audio_tokens": 120, "cached_tokens": 64}},
        (141, 5), {"cache_read": 64, "input_audio": 77, "cache_read_audio": 43},
    ),
    (
        "openai responses, the same under other names", "responses",
        {"input_tokens": 328, "input_tokens_details": {"cached_tokens": 256}, "output_tokens": 52,
         "output_tokens_details": {"reasoning_tokens": 20}, "total_tokens": 380}, (328, 52), {"cache_read": 256, "reasoning": 20},
    ),
    ("openai, embeddings", "openai", {"prompt_tokens": 8, "total_tokens": 8}, (8, 0), {}),
    (
        "anthropic, cached is no part of the input", "anthropic",
        {"input_tokens": 21, "cache_creation_input_tokens": 188086, "cache_read_input_tokens": 100, "output_tokens": 393,
         "cache_creation": {"ephemeral_5m_input_tokens": 456, "ephemeral_1h_input_tokens": 187630}, "service_tier": "standard"},
        (188207, 393), {"cache_read": 100, "cache_write": 188086, "cache_write_1h": 187630},
    ),
    (
        "bedrock, cached is no part of the input", "bedrock",
        {"inputTokens": 21, "outputTokens": 393, "totalTokens": 188600, "cacheReadInputTokens": 100,
         "cacheWriteInputTokens": 188086,
         "cacheDetails": [{"ttl": "1h", "inputTokens": 187630}, {"ttl": "5m", "inputTokens": 456}]},
        (188207, 393), {"cache_read": 100, "cache_write": 188086, "cache_write_1h": 187630},
    ),
    (
        "anthropic, thinking is part of the output", "anthropic",
        {"input_tokens": 25, "output_tokens": 150, "output_tokens_details": {"thinking_tokens": 90}},
        (25, 150), {"reasoning": 90},
    ),
    (
        "google, cached is part of the prompt, thoughts are no part of the candidates", "gemini",
        {"promptTokenCount": 33_001, "candidatesTokenCount": 129, "thoughtsTokenCount": 700, "totalTokenCount": 33_830,
         "cachedContentTokenCount": 32_768}, (33_001, 829), {"cache_read": 32_768, "reasoning": 700},
    ),
    (
        "google, sound by modality, some of it cached", "gemini",
        {"promptTokenCount": 1000, "candidatesTokenCount": 40, "totalTokenCount": 1040, "cachedContentTokenCount": 600,
         "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 500}, {"modality": "AUDIO", "tokenCount": 500}],
         "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 400}, {"modality": "AUDIO", "tokenCount": 200}],
         "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 40}]},
        (1000, 40), {"cache_read": 600, "input_audio": 300, "cache_read_audio": 200},
    ),
    (
        "google, what its own tools read is input", "gemini",
        {"promptTokenCount": 10, "toolUsePromptTokenCount": 90, "candidatesTokenCount": 7, "thoughtsTokenCount": 3,
         "totalTokenCount": 110}, (100, 10), {"reasoning": 3},
    ),
    (
        "xai, reasoning is no part of the completion", "openai",
        {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135, "num_sources_used": 0,
         "prompt_tokens_details": {"text_tokens": 32, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 8},
         "completion_tokens_details": {"reasoning_tokens": 94, "audio_tokens": 0}},
        (32, 103), {"cache_read": 8, "reasoning": 94, "input_audio": 0, "output_audio": 0},
    ),
    (
        "deepseek, hit and miss are the prompt", "openai",
        {"prompt_tokens": 350, "completion_tokens": 60, "total_tokens": 410, "prompt_cache_hit_tokens": 320,
         "prompt_cache_miss_tokens": 30, "completion_tokens_details": {"reasoning_tokens": 12}},
        (350, 60), {"cache_read": 320, "reasoning": 12},
    ),
    (
        "deepseek, said twice and counted once", "openai",
        {"prompt_tokens": 350, "completion_tokens": 60, "prompt_tokens_details": {"cached_tokens": 320},
         "prompt_cache_hit_tokens": 320, "prompt_cache_miss_tokens": 30}, (350, 60), {"cache_read": 320},
    ),
    (
        "moonshot, cached beside the prompt", "openai",
        {"prompt_tokens": 19, "completion_tokens": 21, "total_tokens": 40, "cached_tokens": 10}, (19, 21), {"cache_read": 10},
    ),
    (
        "groq, times among the counts", "openai",
        {"queue_time": 0.037, "prompt_tokens": 18, "prompt_time": 0.0006, "completion_tokens": 556, "completion_time": 0.46,
         "total_tokens": 574, "total_time": 0.464}, (18, 556), {},
    ),
    ("mistral, no details", "openai", {"prompt_tokens": 16, "completion_tokens": 34, "total_tokens": 50}, (16, 34), {}),
    (
        "together, details of null", "openai",
        {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17, "prompt_tokens_details": None}, (12, 5), {},
    ),
]  # fmt: skip


def read(reader: str, blob: Mapping[str, Any]) -> tuple[Usage | None, str | None]:
    raw = msgspec.Raw(msgspec.json.encode(blob))
    match reader:
        case "openai":
            return read_openai(raw, "provider")
        case "responses":
            return read_responses(raw, "provider")
        case "gemini":
            return read_gemini(raw, "provider")
        case "bedrock":
            return read_bedrock(raw, "provider")
        case _:
            counted = merged([raw], "provider")
            return counted.usage, counted.raw


@pytest.mark.parametrize(("reader", "blob", "totals", "details"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_a_vendor_counts(reader: str, blob: dict[str, Any], totals: tuple[int, int], details: dict[str, int]) -> None:
    usage, raw = read(reader, blob)
    assert usage == Usage(input_tokens=totals[0], output_tokens=totals[1], **details, source="provider")
    assert usage is not None
    assert sum(usage.buckets().values()) == sum(totals), "no token stands in two buckets"
    assert raw is not None
    assert msgspec.json.decode(raw) == blob, "the vendor's own words are kept beside it"


@pytest.mark.parametrize(("reader", "blob"), [row[1:3] for row in TABLE if row[1] == "openai"])
def test_a_caller_of_chat_completions_reads_the_same_counts(reader: str, blob: dict[str, Any]) -> None:
    usage, _ = read(reader, blob)
    assert usage is not None
    told = msgspec.Raw(msgspec.json.encode(usage_body(usage)))
    assert read_openai(told, "provider")[0] == usage


CHUNK = {"id": "c", "object": "chat.completion.chunk", "model": "m", "created": 1}
COUNTS = {"queue_time": 0.1, "prompt_tokens": 18, "completion_tokens": 6, "total_tokens": 24}


def event(**fields: Any) -> bytes:
    return b"data: " + msgspec.json.encode(CHUNK | fields) + b"\n\n"


def test_groqs_last_chunk_has_the_usage_of_a_stream_that_nobody_asked_it_of() -> None:
    last = event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], x_groq={"id": "req_1", "usage": COUNTS})
    expected = Usage(input_tokens=18, output_tokens=6, source="provider")
    delta = OpenAiChat().delta(last)
    assert (delta.usage, delta.finished, delta.usage_only) == (expected, 1, False)
    reader = ChatComposer("provider").reader()
    reader.read(event(choices=[{"index": 0, "delta": {"content": "hi"}}], x_groq={"id": "req_1"}))
    assert [step.usage for step in reader.read(last) if isinstance(step, Used)] == [expected]
    both = event(choices=[], usage=COUNTS, x_groq={"id": "req_1", "usage": COUNTS})
    assert OpenAiChat().delta(both).usage == expected, "said twice, counted once"


def test_the_service_that_a_reply_bills_comes_with_its_counts() -> None:
    body = CHUNK | {"object": "chat.completion", "service_tier": "flex", "usage": COUNTS,
                    "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]}  # fmt: skip
    assert OpenAiChat().decode(msgspec.json.encode(body)).service_tier == "flex"
    assert ChatComposer("provider").whole(msgspec.json.encode(body)).service_tier == "flex"
    assert OpenAiChat().delta(event(choices=[], usage=COUNTS, service_tier="priority")).service_tier == "priority"
    for usage, service in (({"service_tier": "batch"}, "batch"), ({"service_tier": "standard", "speed": "fast"}, "fast")):
        message = {"type": "message", "content": [], "usage": {"input_tokens": 1, "output_tokens": 2} | usage}
        assert Messages().decode(msgspec.json.encode(message)).service_tier == service


def test_of_llama_cpp_every_choice_is_counted() -> None:
    """Its usage is of one choice: the first of a whole answer, each in turn of a stream."""
    engine = OpenAiChat("engine", quirks=msgspec.structs.replace(ENGINE, counts_one_choice=True))
    choices = [{"index": n, "message": {"content": "four" * 3}, "finish_reason": "stop"} for n in range(3)]
    body = CHUNK | {"choices": choices, "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}}
    whole = engine.decode(msgspec.json.encode(body)).usage
    assert whole is not None
    assert (whole.input_tokens, whole.source) == (5, "estimated")
    assert whole.output_tokens >= 3 * 3
    count, seen = engine.deltas(), []
    for tokens in (3, 4, 5):
        counts = {"prompt_tokens": 5, "completion_tokens": tokens, "total_tokens": 5 + tokens}
        seen.append(count.delta(event(choices=[], usage=counts)).usage)
    assert seen[-1] == Usage(input_tokens=5, output_tokens=12, source="engine")

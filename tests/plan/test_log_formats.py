"""Every format, from small samples written by hand in the published shapes; where each is documented stands beside it."""

import io
import json
from typing import Any

import pytest

from freehold.core.errors import BadSettings
from freehold.plan.logs.columns import parse_map
from freehold.plan.logs.documents import records
from freehold.plan.logs.formats import log_format
from freehold.plan.logs.usage import LoggedUsage

OCT_5 = 1759622400.0
DAY_S = 86_400.0


def read(text: str, name: str = "auto", columns: str | None = None) -> tuple[str, list[LoggedUsage | str | None]]:
    """The format's name, and of each record what it says, None where it is left out, or the reason it is bad."""
    pieces = list(records(io.StringIO(text)).pieces)
    mapped = None if columns is None else parse_map(columns)
    found = log_format(name, mapped, [piece.record for piece in pieces if not isinstance(piece.record, str)])
    said: list[LoggedUsage | str | None] = []
    for piece in pieces:
        try:
            said.append(piece.record if isinstance(piece.record, str) else found.read(piece.record))
        except ValueError as error:
            said.append(str(error))
    return found.name, said


# github.com/BerriAI/litellm, schema.prisma, LiteLLM_SpendLogs; metadata as litellm/proxy/spend_tracking writes it.
LITELLM = {
    "request_id": "chatcmpl-1",
    "call_type": "acompletion",
    "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
    "spend": 0.00022500000000000002,
    "total_tokens": 1030,
    "prompt_tokens": 1000,
    "completion_tokens": 30,
    "startTime": "2025-10-05T10:00:00.975Z",
    "endTime": "2025-10-05T10:00:02Z",
    "model": "openai/gpt-4o",
    "model_group": "chat",
    "custom_llm_provider": "openai",
    "cache_hit": "False",
    "status": "success",
    "metadata": {
        "user_api_key_team_alias": "web",
        "additional_usage_values": {"prompt_tokens_details": {"cached_tokens": 640}, "completion_tokens_details": None},
    },
}
LITELLM_READ = LoggedUsage(
    time=OCT_5 + 36_000.975,
    provider="openai",
    model="openai/gpt-4o",
    input_tokens=1000,
    cache_read=640,
    output_tokens=30,
    cost_nanousd=225_000,
)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([LITELLM]),
        json.dumps([LITELLM], indent=2),
        json.dumps(LITELLM) + "\n",
        json.dumps({"data": [LITELLM], "total": 1, "page": 1, "page_size": 100, "total_pages": 1}),
        json.dumps([LITELLM | {"metadata": json.dumps(LITELLM["metadata"])}]),
    ],
    ids=["array", "indented", "lines", "page of /spend/logs/v2", "metadata as text"],
)
def test_litellm_json(text: str) -> None:
    assert read(text) == ("litellm", [LITELLM_READ])


def test_litellm_csv_as_postgres_copies_it() -> None:
    text = (
        "request_id,call_type,spend,prompt_tokens,completion_tokens,startTime,model,custom_llm_provider,cache_hit,metadata\n"
        "chatcmpl-1,acompletion,0.000225,1000,30,2025-10-05 10:00:00.975+00,openai/gpt-4o,openai,False,"
        '"{""additional_usage_values"": {""cache_read_input_tokens"": 640}}"\n'
    )
    assert read(text) == ("litellm", [LITELLM_READ])


@pytest.mark.parametrize(
    "change",
    [
        {"status": "failure", "completion_tokens": 0},
        {"cache_hit": "True"},
        {"call_type": "aembedding", "completion_tokens": 0},
        {"prompt_tokens": 0, "completion_tokens": 0},
    ],
    ids=["failed", "answered from LiteLLM's own cache", "no text generated", "no tokens"],
)
def test_litellm_leaves_out_what_used_no_model(change: dict[str, Any]) -> None:
    assert read(json.dumps([LITELLM | change])) == ("litellm", [None])


def test_litellm_of_old_left_cached_tokens_out_of_the_prompt() -> None:
    _, (usage,) = read(json.dumps([LITELLM | {"prompt_tokens": 100}]))
    assert isinstance(usage, LoggedUsage)
    assert (usage.input_tokens, usage.cache_read) == (740, 640)


# platform.openai.com, API reference, Usage, Completions: "Completions usage object".
OPENAI = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": 1759622400,
            "end_time": 1759708800,
            "results": [
                {
                    "object": "organization.usage.completions.result",
                    "input_tokens": 59_200,
                    "output_tokens": 10_646,
                    "input_cached_tokens": 5_760,
                    "input_audio_tokens": 0,
                    "num_model_requests": 10,
                    "project_id": "proj_a",
                    "model": "gpt-4o-2024-08-06",
                    "batch": False,
                },
                {
                    "object": "organization.usage.completions.result",
                    "input_tokens": 5,
                    "output_tokens": 6,
                    "num_model_requests": 1,
                    "project_id": None,
                    "model": None,
                },
            ],
        },
        {"object": "bucket", "start_time": 1759708800, "end_time": 1759795200, "results": []},
    ],
    "has_more": False,
    "next_page": None,
}
OPENAI_READ = LoggedUsage(
    time=OCT_5,
    bucket_s=DAY_S,
    provider="openai",
    model="gpt-4o-2024-08-06",
    requests=10,
    input_tokens=59_200,
    cache_read=5_760,
    output_tokens=10_646,
)


def test_openai_json_pages() -> None:
    unnamed = LoggedUsage(time=OCT_5, bucket_s=DAY_S, provider="openai", requests=1, input_tokens=5, output_tokens=6)
    assert read(json.dumps(OPENAI)) == ("openai", [OPENAI_READ, unnamed])
    pages = json.dumps(OPENAI) + "\n" + json.dumps(OPENAI, indent=1)
    assert read(pages) == ("openai", [OPENAI_READ, unnamed] * 2)


def test_openai_leaves_out_other_endpoints() -> None:
    text = json.dumps(OPENAI).replace("usage.completions.result", "usage.embeddings.result", 1)
    assert read(text)[1][0] is None


def test_openai_csv() -> None:
    # The dashboard's export, 2025-10: counts are written as decimals, and a day without use is a row without any.
    text = (
        "start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,"
        "service_tier,input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens\n"
        "1759622400,1759708800,2025-10-05T00:00:00+00:00,2025-10-06T00:00:00+00:00,proj_a,10.0,user-a,key_a,gpt-4o-2024-08-06,"
        "FALSE,default,59200.0,10646.0,5760.0,53440.0\n"
        "1759708800,1759795200,2025-10-06T00:00:00+00:00,2025-10-07T00:00:00+00:00,,,,,,,,,,,\n"
    )
    assert read(text) == ("openai", [OPENAI_READ, None])
    assert read(text.replace(",", "\t"))[1] == [OPENAI_READ, None]


# platform.claude.com, Admin API, "Get Messages Usage Report".
ANTHROPIC = {
    "data": [
        {
            "starting_at": "2025-10-05T00:00:00Z",
            "ending_at": "2025-10-05T01:00:00Z",
            "results": [
                {
                    "uncached_input_tokens": 1500,
                    "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
                    "cache_read_input_tokens": 200,
                    "output_tokens": 500,
                    "server_tool_use": {"web_search_requests": 10},
                    "api_key_id": None,
                    "workspace_id": None,
                    "model": "claude-sonnet-4-5",
                    "service_tier": "standard",
                    "context_window": "0-200k",
                }
            ],
        }
    ],
    "has_more": True,
    "next_page": "page_MjAyNS0wNS0xNFQwMDowMDowMFo=",
}
ANTHROPIC_READ = LoggedUsage(
    time=OCT_5,
    bucket_s=3600.0,
    provider="anthropic",
    model="claude-sonnet-4-5",
    requests=None,
    input_tokens=3200,
    cache_read=200,
    output_tokens=500,
)


def test_anthropic_json() -> None:
    assert read(json.dumps(ANTHROPIC)) == ("anthropic", [ANTHROPIC_READ])


def test_anthropic_csv() -> None:
    # The console's export, Usage page, 2026.
    text = (
        "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
        "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,"
        "web_search_count\n"
        "2025-10-05,claude-sonnet-4-5,web,Default,standard,0-200k,1500,500,1000,200,500,10\n"
        "2025-10-05 13:00,claude-sonnet-4-5,web,Default,standard,0-200k,1500,500,1000,200,500,10\n"
    )
    name, (day, hour) = read(text)
    assert name == "anthropic"
    assert isinstance(day, LoggedUsage)
    assert isinstance(hour, LoggedUsage)
    assert (day.time, day.bucket_s, day.input_tokens, day.cache_read) == (OCT_5, DAY_S, 3200, 200)
    assert (hour.time, hour.bucket_s) == (OCT_5 + 13 * 3600, 3600.0)


# focus.finops.org, FOCUS 1.2 and 1.3, Cost and Usage; the meters' names as OpenAI, Azure and AWS Bedrock write them.
FOCUS_HEADER = (
    "BilledCost,BillingCurrency,ChargeCategory,ChargeClass,ChargePeriodStart,ChargePeriodEnd,ConsumedQuantity,ConsumedUnit,"
    "PricingQuantity,PricingUnit,ProviderName,ResourceName,SkuMeter\n"
)
PERIOD = "2025-10-05T00:00:00Z,2025-10-05T01:00:00Z"


def focus(line: str) -> LoggedUsage | str | None:
    name, (said,) = read(FOCUS_HEADER + line.replace("PERIOD", PERIOD))
    assert name == "focus"
    return said


@pytest.mark.parametrize(
    ("quantity", "meter", "counted"),
    [
        ("4000,Tokens,4000,Tokens", "gpt-4o Input Tokens", (4000, 0, 0)),
        ("4000,tokens,,", "amazon.nova::OutputTokens", (0, 0, 4000)),
        ("12.5,1K Tokens,,", "gpt-4o-0806-cchd-Inp-glbl", (12_500, 12_500, 0)),
        ("0.75,1000000 Tokens,,", "gpt-4o-0806-Outp-glbl", (0, 0, 750_000)),
        ("3,1M Tokens,,", "claude cache write", (3_000_000, 0, 0)),
        ("7,Units,0.007,1M Tokens", "cached input", (7000, 7000, 0)),
    ],
)
def test_focus_meters_and_units(quantity: str, meter: str, counted: tuple[int, int, int]) -> None:
    said = focus(f"0.01,USD,Usage,,PERIOD,{quantity},OpenAI,gpt-4o,{meter}\n")
    assert isinstance(said, LoggedUsage)
    assert (said.input_tokens, said.cache_read, said.output_tokens) == counted
    assert (said.time, said.bucket_s, said.requests) == (OCT_5, 3600.0, None)
    assert (said.provider, said.model, said.cost_nanousd) == ("OpenAI", "gpt-4o", 10_000_000)


def test_focus_other_currencies_have_no_dollars() -> None:
    said = focus("0.01,EUR,Usage,,PERIOD,4,Tokens,,,OpenAI,gpt-4o,input\n")
    assert isinstance(said, LoggedUsage)
    assert said.cost_nanousd is None


@pytest.mark.parametrize(
    "line",
    [
        "9.9,USD,Usage,,PERIOD,3,Hours,3,Hours,AWS,vm,BoxUsage\n",
        "9.9,USD,Tax,,PERIOD,,,,,AWS,,\n",
        "-1,USD,Usage,Correction,PERIOD,-5,Tokens,,,OpenAI,gpt-4o,input\n",
    ],
    ids=["machine", "tax", "correction"],
)
def test_focus_leaves_out_what_counts_no_tokens(line: str) -> None:
    assert focus(line) is None


def test_focus_meter_that_says_nothing_is_bad() -> None:
    said = focus("0.01,USD,Usage,,PERIOD,4,Tokens,,,LiteLLM,gpt-4o,inference\n")
    assert isinstance(said, str)
    assert "neither input nor output" in said


def test_azure_2023() -> None:
    # github.com/Azure/AzurePublicDataset, AzureLLMInferenceDataset2023.md
    text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n"
    name, (said,) = read(text)
    assert name == "azure"
    assert said == LoggedUsage(time=1700158623.97996, provider="azure", input_tokens=4808, output_tokens=10)


def test_mooncake() -> None:
    # github.com/kvcache-ai/Mooncake, README, "Open source trace"
    text = '{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}\n'
    assert read(text) == ("mooncake", [LoggedUsage(time=27.482, input_tokens=6955, output_tokens=52)])


def test_burstgpt() -> None:
    # github.com/HPMLL/BurstGPT, README, "Data Format"; failed requests have no response tokens.
    text = (
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "5,ChatGPT,472,18,490,Conversation log\n45.5,GPT-4,0,0,0,API log\n"
    )
    said = LoggedUsage(time=5.0, provider="azure", model="ChatGPT", input_tokens=472, output_tokens=18)
    assert read(text) == ("burstgpt", [said, None])


OWN = "when;asked;got;known;paid\n1759622400500;100;20;40;$0.5\n"


def test_any_csv_with_a_map() -> None:
    said = LoggedUsage(time=OCT_5 + 0.5, input_tokens=100, cache_read=40, output_tokens=20, cost_nanousd=500_000_000)
    assert read(OWN, columns="time=when, input=asked, output=got, cached=known, cost=paid") == ("csv", [said])


def test_a_map_of_buckets() -> None:
    text = "from,to,n,in,out\n2025-10-05,2025-10-06,4,100,20\n2025-10-06,2025-10-07,,100,20\n2025-10-06,2025-10-05,1,1,1\n"
    _, (counted, uncounted, backwards) = read(text, columns="time=from,end=to,requests=n,input=in,output=out")
    assert isinstance(counted, LoggedUsage)
    assert isinstance(uncounted, LoggedUsage)
    assert (counted.bucket_s, counted.requests, uncounted.requests) == (DAY_S, 4, None)
    assert backwards == "the bucket ends before it starts"


def test_usual_names_need_no_map() -> None:
    text = ",Timestamp,model,prompt_tokens,completion_tokens\n40,2025-10-05,m,7,3\n"
    assert read(text) == ("csv", [LoggedUsage(time=OCT_5, model="m", input_tokens=7, output_tokens=3)])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("time=when", "does not say which column is input and output"),
        ("when=time", "write MEANING=COLUMN"),
        ("time=when,time=x,input=a,output=b", "once for each of"),
        ("time=when,input=asked,output=", "write MEANING=COLUMN"),
        ("time=when,input=asked,output=nope", "no column 'nope'"),
        ("time=when,input=asked,output=got,requests=known", "add end=COLUMN"),
    ],
)
def test_maps_that_cannot_be_used(columns: str, words: str) -> None:
    with pytest.raises(BadSettings, match=words):
        read(OWN, columns=columns)


def test_an_unknown_format_says_what_it_saw() -> None:
    with pytest.raises(BadSettings, match=r"its fields: when, asked, got.*--map time=COLUMN"):
        read(OWN)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"startTime": "yesterday"}, "startTime is 'yesterday'; expected an ISO 8601 time or Unix seconds"),
        ({"startTime": None}, "startTime is None; expected an ISO 8601 time or Unix seconds"),
        ({"prompt_tokens": -1}, "prompt_tokens is -1; expected a number of 0 or more"),
        ({"prompt_tokens": 1.5}, "prompt_tokens is 1.5; expected a whole number of 0 or more"),
        ({"prompt_tokens": "many"}, "prompt_tokens is 'many'; expected a number of 0 or more"),
        ({"prompt_tokens": True}, "prompt_tokens is True; expected a number of 0 or more"),
        ({"prompt_tokens": 60_000_000}, "60,000,030 tokens in 1 requests; no model takes that many, check the columns"),
        ({"prompt_tokens": 10**30}, f"prompt_tokens is {10**30}; expected a number of 0 or more"),
        ({"spend": "free"}, "spend is 'free'; expected a number of 0 or more"),
    ],
)
def test_bad_fields_are_named(change: dict[str, Any], reason: str) -> None:
    assert read(json.dumps([LITELLM | change])) == ("litellm", [reason])


def test_a_missing_field_is_named() -> None:
    _, said = read(json.dumps([{"startTime": 1}]), name="litellm")
    assert said == ["there is no field 'prompt_tokens'"]

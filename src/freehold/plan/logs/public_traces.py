"""Three published traces of single requests: Azure 2023, Mooncake and BurstGPT.

Shapes: Azure/AzurePublicDataset, AzureLLMInferenceTrace_*.csv (Patel et al., "Splitwise", ISCA 2024); kvcache-ai/Mooncake,
FAST25-release/traces (Qin et al., FAST 2025), ms from the start; HPMLL/BurstGPT, release 1.1 and 2.0 (Wang et al., 2024), s from
the start. All read 2026-11.
"""

from freehold.plan.logs.fields import count, number, text, when
from freehold.plan.logs.usage import LogFormat, LoggedUsage, Record


def _read_azure(record: Record) -> LoggedUsage:
    return LoggedUsage(
        time=when(record, "TIMESTAMP"),
        provider="azure",
        input_tokens=count(record, "ContextTokens"),
        output_tokens=count(record, "GeneratedTokens"),
    )


def _read_mooncake(record: Record) -> LoggedUsage:
    return LoggedUsage(
        time=_offset(record, "timestamp") / 1000,
        input_tokens=count(record, "input_length"),
        output_tokens=count(record, "output_length"),
    )


def _read_burstgpt(record: Record) -> LoggedUsage | None:
    output = count(record, "Response tokens")
    if output == 0:  # the release marks failed requests so
        return None
    return LoggedUsage(
        time=_offset(record, "Timestamp"),
        provider="azure",
        model=text(record, "Model"),
        input_tokens=count(record, "Request tokens"),
        output_tokens=output,
    )


def _offset(record: Record, name: str) -> float:
    """Time since the trace's start, in its own unit."""
    value = number(record, name)
    if value is None:
        raise ValueError(f"there is no field {name!r}")
    return float(value)


AZURE = LogFormat(name="azure", known_by=(frozenset({"TIMESTAMP", "ContextTokens", "GeneratedTokens"}),), read=_read_azure)
MOONCAKE = LogFormat(name="mooncake", known_by=(frozenset({"timestamp", "input_length", "output_length"}),), read=_read_mooncake)
BURSTGPT = LogFormat(
    name="burstgpt", known_by=(frozenset({"Timestamp", "Request tokens", "Response tokens"}),), read=_read_burstgpt
)

"""Callers, ledger and providers, request by request: each tells the same story, to the token and the nano-dollar.

What a provider counted must stand in the ledger exactly. Where no usage came the ledger says `estimated`, and the documented rule
is held to what left the provider: four bytes a token, at least one a content event. Of an answer that broke off the gateway saw
something between what its caller was passed and what the provider sent; the estimate must lie there.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from benchmarks.soak.callers import SERIAL_AT_S, Call
from benchmarks.soak.providers import KINDS, Work

INPUT_NANOUSD, OUTPUT_NANOUSD = 2_500, 10_000  # a token, by the price of every target here
_SHOWN = 5
Row: TypeAlias = Mapping[str, Any]


class Comparison(msgspec.Struct):
    """What was compared, and what did not agree: `problems` by what they are, each with its request's serial and the evidence."""

    requests: int = 0
    entries: int = 0
    attempts: int = 0
    counted: int = 0
    exact_estimates: int = 0
    bounded_estimates: int = 0
    cost_nanousd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    problems: dict[str, list[str]] = {}

    def require(self, holds: bool, what: str, serial: int, evidence: str = "") -> None:
        """One that does not agree, where it does not hold."""
        if not holds:
            self.problems.setdefault(what, []).append(f"{serial} {evidence}".strip())

    def lines(self) -> list[str]:
        """One for each kind of problem, with the first requests it was seen on."""
        return [f"{what}: {len(found)}, such as {found[:_SHOWN]}" for what, found in self.problems.items()]


def reconcile(calls: Sequence[Call], works: Sequence[Work], entries: Sequence[Row], attempts: Sequence[Row]) -> Comparison:
    """All three against each other."""
    compared = Comparison(requests=len(calls), entries=len(entries), attempts=len(attempts))
    compared.faults = Counter(work.fault for work in works if work.fault is not None)
    by_serial: dict[int, Row] = {}
    for entry in entries:
        serial = round(entry["stands_for"]) - SERIAL_AT_S
        compared.require(0 <= serial < len(calls), "entry of no request", serial)
        compared.require(serial not in by_serial, "request with two entries", serial)
        by_serial[serial] = entry
        compared.outcomes[entry["outcome"]] += 1
    tried: dict[str, list[Row]] = {}
    for attempt in attempts:
        tried.setdefault(attempt["entry_id"], []).append(attempt)
    done: dict[int, dict[str, Work]] = {}
    for work in works:
        compared.require(work.ending is not None, "provider still at work", work.serial)
        compared.require(work.account not in done.setdefault(work.serial, {}), "target asked twice", work.serial)
        done[work.serial][work.account] = work
    for call in calls:
        found, worked = by_serial.get(call.serial), done.get(call.serial, {})
        _compare_caller(compared, call, found)
        if found is None:
            compared.require(not worked, "work for a request without an entry", call.serial)
        else:
            _compare_attempts(compared, call, found, tried.get(found["id"], []), worked)
    return compared


def _compare_caller(compared: Comparison, call: Call, entry: Row | None) -> None:
    """What the caller saw against what the ledger says it was given."""
    compared.require(call.own, "an answer that was another's", call.serial)
    compared.require(call.status > 0 or call.left, "no reply for a caller that waited", call.serial)
    if entry is None:
        compared.require(call.left and not call.status, "answered without an entry", call.serial)
        return
    compared.require(call.entry_id in (None, entry["id"]), "another entry than the reply named", call.serial)
    compared.require(entry["dialect"] == call.dialect, "another dialect than was spoken", call.serial)
    finished = entry["outcome"] == "finished"
    compared.require(finished or not call.whole, "a whole answer that is not finished in the ledger", call.serial)
    compared.require(call.whole or call.left or not finished, "finished in the ledger, not whole for its caller", call.serial)


def _compare_attempts(compared: Comparison, call: Call, entry: Row, attempts: Sequence[Row], worked: Mapping[str, Work]) -> None:
    """Tokens and money of each attempt against what its provider did."""
    missing = worked.keys() - {attempt["target"] for attempt in attempts}
    compared.require(not missing, "work without an attempt", call.serial)
    for attempt in attempts:
        work = worked.get(attempt["target"])
        source, tokens_in, tokens_out = attempt["usage_source"], attempt["uncached_input"] or 0, attempt["answer_output"] or 0
        last = attempt is attempts[-1]
        if source == "estimated":
            _compare_estimate(compared, call, attempt, work, last=last)
        elif source is not None:
            told = (0, 0) if work is None else (work.prompt_tokens, work.completion_tokens)
            compared.require((tokens_in, tokens_out) == told, "other tokens than the provider counted", call.serial)
            compared.counted += 1
        cost = tokens_in * INPUT_NANOUSD + tokens_out * OUTPUT_NANOUSD
        compared.require(attempt["cost_nanousd"] == cost, "a cost that is not tokens times price", call.serial)
        compared.input_tokens += tokens_in
        compared.output_tokens += tokens_out
    total = sum(attempt["cost_nanousd"] for attempt in attempts)
    compared.require(entry["cost_nanousd"] == total, "an entry's cost that is not that of its attempts", call.serial)
    compared.cost_nanousd += entry["cost_nanousd"]


def _compare_estimate(compared: Comparison, call: Call, attempt: Row, work: Work | None, *, last: bool) -> None:
    """The documented rule on both ends of what the gateway may have seen."""
    size, events = (0, 0) if work is None else (_text_bytes(call, work), work.events)
    most = max(events, -(-size // 4))
    least = -(-call.text_bytes // 4) if last else 0
    if attempt["outcome"] == "finished":
        least = most
    tokens = attempt["answer_output"]
    fault = "of no work" if work is None else f"{work.fault}, {work.ending}"
    evidence = f"{attempt['target']} {attempt['outcome']} ({fault}): {tokens}, and the rule says {least} to {most}; {call.manner}"
    compared.require(attempt["uncached_input"] == -(-call.input_bytes // 4), "an estimate of the input off the rule", call.serial)
    compared.require(least <= tokens <= most, "an estimate of the output off the rule", call.serial, evidence)
    compared.exact_estimates += tokens == most
    compared.bounded_estimates += tokens != most


def _text_bytes(call: Call, work: Work) -> int:
    """As it counts: written as JSON where the bytes passed untouched, else the text itself, also where a stream had to be read so
    that what was redacted could be put back."""
    read = call.redacted and call.stream and call.dialect != "openai_chat"
    return work.quoted if KINDS[work.account[0]][0] == call.dialect and not read else work.plain

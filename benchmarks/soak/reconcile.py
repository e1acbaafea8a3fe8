"""Callers, ledger, providers and engine, request by request: each tells the same story, to the token and the nano-dollar.

What a provider or the owned engine counted must stand in the ledger exactly. Where no usage came the ledger says `estimated`, and
the documented rule is held to what left the provider: four bytes a token, at least one a content event. Of an answer that broke
off the gateway saw something between what its caller was passed and what the provider sent; the estimate must lie there.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from benchmarks.soak.callers import SERIAL_AT_S, Call
from benchmarks.soak.changes import Changes
from benchmarks.soak.comparison import Books, Comparison, Row
from benchmarks.soak.config import MOVED, VERSIONED, variant_bytes
from benchmarks.soak.engine import MOST_TOKENS, OWN
from benchmarks.soak.providers import KINDS, Work

INPUT_NANOUSD, OUTPUT_NANOUSD = 2_500, 10_000  # a token, by the price of every rented target here


def reconcile(books: Books, changes: Changes) -> Comparison:
    """All against each other."""
    calls = books.calls
    compared = Comparison(requests=len(calls), entries=len(books.entries), attempts=len(books.attempts))
    compared.faults = Counter(work.fault for work in books.works if work.fault is not None)
    tried: dict[str, list[Row]] = {}
    for attempt in books.attempts:
        tried.setdefault(attempt["entry_id"], []).append(attempt)
    by_serial: dict[int, Row] = {}
    for entry in books.entries:
        if entry["purpose"] is not None:
            continue
        serial = round(entry["stands_for"]) - SERIAL_AT_S
        compared.require(0 <= serial < len(calls), "entry of no request", serial)
        compared.require(serial not in by_serial, "request with two entries", serial)
        by_serial[serial] = entry
        compared.outcomes[entry["outcome"]] += 1
    done: dict[int, dict[str, Work]] = {}
    for work in books.works:
        compared.require(work.ending is not None, "provider still at work", work.serial)
        compared.require(work.account not in done.setdefault(work.serial, {}), "target asked twice", work.serial)
        done[work.serial][work.account] = work
    for call in calls:
        found, worked = by_serial.get(call.serial), done.get(call.serial, {})
        _compare_caller(compared, call, found)
        if found is None:
            compared.require(not worked, "work for a request without an entry", call.serial)
            continue
        mine = tried.get(found["id"], [])
        _compare_attempts(compared, call, found, mine, worked)
        meant = changes.releases(found["received_at"]) if call.workload == VERSIONED else {None}
        for attempt in mine:
            compared.require(attempt["prompt"] in meant, "another release than in force", call.serial, str(attempt["prompt"]))
            if attempt["prompt"] is not None:
                compared.releases[attempt["prompt"]] += 1
    _compare_copies(compared, books, tried)
    return compared


def _compare_copies(compared: Comparison, books: Books, tried: Mapping[str, Sequence[Row]]) -> None:
    """What a migration asks once more: its candidate, and where it is live the former target. No caller knows of it, and a
    provider not whose it is, so both sides are counted by what was made."""
    asked, made = Counter[tuple[str, int, int]](), Counter[tuple[str, int, int]]()
    for work in books.works:
        if not 0 <= work.serial < len(books.calls):
            made[work.account, work.prompt_tokens, work.completion_tokens] += 1
    uncounted = 0
    for entry in books.entries:
        if entry["purpose"] is None:
            continue
        compared.copies += 1
        cost, serial = 0, -compared.copies
        compared.require(entry["workload"] == f"freehold-shadow:{MOVED}", "a copy of another workload", serial, entry["workload"])
        for attempt in tried.get(entry["id"], ()):
            told, target = _count(compared, attempt), attempt["target"]
            cost += _cost_nanousd(target, told)
            if target == OWN:
                compared.require(attempt["usage_source"] not in (None, "estimated"), "the engine's count did not come", serial)
                compared.require(entry["outcome"] == "finished", "a copy that the engine did not answer", serial, entry["reason"])
            elif attempt["usage_source"] in (None, "estimated"):
                uncounted += 1
            else:
                asked[target, told[0], told[1]] += 1
        compared.require(entry["cost_nanousd"] == cost, "a copy's cost that is not tokens times price", serial)
        compared.copies_nanousd += entry["cost_nanousd"]
    compared.require(not asked - made, "copies that no provider knows", -1, str(asked - made))
    left = made - asked
    compared.require(left.total() <= uncounted, "work of copies that have no attempt", -1, str(left))


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
        source, told = attempt["usage_source"], _count(compared, attempt)
        if attempt["target"] == OWN:
            _compare_own(compared, call, attempt, told)
        elif source == "estimated":
            _compare_estimate(compared, call, attempt, work, last=attempt is attempts[-1])
        elif source is not None:
            done = (0, 0) if work is None else (work.prompt_tokens, work.completion_tokens)
            compared.require(told == done, "other tokens than the provider counted", call.serial, f"{told}, {done}")
            compared.counted += 1
        cost = _cost_nanousd(attempt["target"], told)
        compared.require(attempt["cost_nanousd"] == cost, "a cost that is not tokens times price", call.serial)
    total = sum(attempt["cost_nanousd"] for attempt in attempts)
    compared.require(entry["cost_nanousd"] == total, "an entry's cost that is not that of its attempts", call.serial)
    compared.cost_nanousd += entry["cost_nanousd"]


def _count(compared: Comparison, attempt: Row) -> tuple[int, int]:
    """Its (input, output) tokens, into the sums."""
    told = (attempt["uncached_input"] or 0) + (attempt["cache_read"] or 0), attempt["answer_output"] or 0
    compared.input_tokens += told[0]
    compared.output_tokens += told[1]
    if attempt["target"] == OWN:
        compared.own.attempts += 1
        if attempt["usage_source"] not in (None, "estimated"):
            compared.own.prompt += told[0]
            compared.own.completion += told[1]
    return told


def _cost_nanousd(target: str, tokens: tuple[int, int]) -> int:
    return 0 if target == OWN else tokens[0] * INPUT_NANOUSD + tokens[1] * OUTPUT_NANOUSD


def _compare_own(compared: Comparison, call: Call, attempt: Row, told: tuple[int, int]) -> None:
    """What the engine made of this ticket when nobody was in between; of one that was left it may have made all."""
    ticket = call.ticket
    if ticket is None:
        compared.require(False, "another question than a ticket at the engine", call.serial)
    elif attempt["usage_source"] in (None, "estimated"):
        compared.require(attempt["outcome"] != "finished", "the engine's count did not come", call.serial)
        compared.require(told[1] <= MOST_TOKENS, "more tokens estimated than asked for", call.serial, str(told))
        compared.own.add_open(ticket.prompt_tokens)
    else:
        made = (ticket.prompt_tokens, ticket.completion_tokens)
        compared.require(told == made, "other tokens than the engine counts", call.serial, f"{told}, {made}")
        compared.counted += 1


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
    asked = call.input_bytes + variant_bytes(attempt["prompt"])
    compared.require(attempt["uncached_input"] == -(-asked // 4), "an estimate of the input off the rule", call.serial)
    compared.require(least <= tokens <= most, "an estimate of the output off the rule", call.serial, evidence)
    compared.exact_estimates += tokens == most
    compared.bounded_estimates += tokens != most


def _text_bytes(call: Call, work: Work) -> int:
    """As it counts: written as JSON where the bytes passed untouched, else the text itself, also where a stream had to be read so
    that what was redacted could be put back."""
    read = call.redacted and call.stream and call.dialect != "openai_chat"
    return work.quoted if KINDS[work.account[0]][0] == call.dialect and not read else work.plain

"""Everything of LiteLLM's configuration that is not about models: what has a place here gets it, of all else is said why not."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from freehold.app.access_settings import BudgetSettings
from freehold.app.imports.litellm.document import Values
from freehold.app.imports.litellm.draft import Draft
from freehold.app.imports.litellm.fates import Fates, Path
from freehold.app.imports.litellm.fitting import fits
from freehold.app.imports.litellm.reasons import GENERAL, LITELLM, ROUTER, TOP
from freehold.app.settings import BoundsSettings

_REASONS: Mapping[str, Mapping[str, str]] = {"litellm_settings": LITELLM, "router_settings": ROUTER, "general_settings": GENERAL}
_PERIODS = {"1d": "day", "24h": "day", "1mo": "month", "30d": "month"}
_Put = Callable[[Path, Any, Draft, Fates], None]


def put_settings(values: Values, draft: Draft, fates: Fates) -> None:
    """The sections beside model_list; fallbacks and aliases are the workloads' business."""
    for name, says in TOP.items():
        if name in values:
            fates.ignored((name,), says)
    if "include" in values:
        fates.mapped(("include",), "the files were read, and their keys stand in this report")
    for section, reasons in _REASONS.items():
        inner = values.get(section)
        # How long a budget lasts comes after how much it is, in whichever order they stand.
        fields = sorted(inner.items(), key=lambda pair: pair[0] == "budget_duration") if isinstance(inner, dict) else ()
        for field, value in fields:
            at: Path = (section, str(field))
            if field in reasons:
                fates.ignored(at, reasons[field])
            elif (put := _PUTS.get(str(field))) is not None:
                put(at, value, draft, fates)


def _put_whole(at: Path, value: Any, draft: Draft, fates: Fates) -> None:
    if not fits(BoundsSettings, {"whole_s": value}):
        fates.ignored(at, "bounds.whole_s would not take it")
        return
    draft.bounds["whole_s"] = min(float(draft.bounds.get("whole_s", value)), float(value))
    draft.bounds["total_s"] = max(BoundsSettings().total_s, draft.bounds["whole_s"])
    fates.approximated(at, "bounds.whole_s, for answers without streaming; streams have first_token_s and idle_s")


def _put_first_token(at: Path, value: Any, draft: Draft, fates: Fates) -> None:
    if not fits(BoundsSettings, {"first_token_s": value}):
        fates.ignored(at, "bounds.first_token_s would not take it")
        return
    draft.bounds["first_token_s"] = float(value)
    fates.approximated(at, "bounds.first_token_s; between two chunks idle_s holds")


def _put_budget(at: Path, value: Any, draft: Draft, fates: Fates) -> None:
    budget = {"name": "from-litellm", "scope": "key", "period": "month", "usd": value}
    if draft.budgets or not fits(BudgetSettings, budget):
        fates.ignored(
            at, "another section states one already" if draft.budgets else "it is no amount of dollars that a budget takes"
        )
        return
    draft.budgets.append({**budget, "usd": Decimal(str(value))})
    draft.remark(
        ("budgets", 0, "scope"), "CHOOSE whose money it is: each key has a budget of its own, and so far there is one key."
    )
    fates.approximated(at, "budgets: of each key, in a calendar month or day (UTC), set aside before a call")


def _put_period(at: Path, value: Any, draft: Draft, fates: Fates) -> None:
    period = _PERIODS.get(str(value))
    if period is None or not draft.budgets:
        fates.ignored(at, "a budget is of a calendar day or month; the month stands" if draft.budgets else "no budget is stated")
        return
    draft.budgets[0]["period"] = period
    fates.approximated(at, f"budgets: period: {period}, of the calendar in UTC")


def _put_master_key(at: Path, value: Any, draft: Draft, fates: Fates) -> None:
    fates.approximated(at, "a new key was made for callers and shown once; admin.key_sha256 is another, for the dashboard")


def _put_strategy(at: Path, value: Any, draft: Draft, fates: Fates) -> None:
    fates.approximated(at, "targets are tried in the workload's order; cooling ones come last, nothing is spread")


def _put_json_logs(at: Path, value: Any, draft: Draft, fates: Fates) -> None:
    fates.mapped(at, "the log is JSON lines wherever stderr is no terminal")


def _put_silence(at: Path, value: Any, draft: Draft, fates: Fates) -> None:
    fates.mapped(at, "no prompt and no answer is logged or kept, unless a workload says keep_content")


_PUTS: Mapping[str, _Put] = {
    "request_timeout": _put_whole,
    "timeout": _put_whole,
    "stream_timeout": _put_first_token,
    "max_budget": _put_budget,
    "budget_duration": _put_period,
    "master_key": _put_master_key,
    "routing_strategy": _put_strategy,
    "json_logs": _put_json_logs,
    "turn_off_message_logging": _put_silence,
    "redact_user_api_key_info": _put_silence,
}

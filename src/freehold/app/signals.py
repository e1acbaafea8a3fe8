"""The signals of a ledger, judged again and again: beside the requests of `freehold serve`, or for a person who watches.

Optional, so it fails open: a look that fails is logged and counted, the next one comes all the same.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec
import structlog

from freehold.app.config_file import ConfigFile
from freehold.app.credentials import read_secret
from freehold.app.settings import Settings, SignalsSettings
from freehold.core.money import nanousd
from freehold.core.ports import Outbound
from freehold.plan.signals.measures import Limits
from freehold.plan.signals.signals import Signal, changes, judge_signals
from freehold.serve.sinks.prometheus import PrometheusSink
from freehold.serve.sinks.webhook import Endpoint, Webhook
from freehold.serve.stores.place import LedgerPlace
from freehold.serve.stores.signals import Asked, SignalReader

_REST = 9.0  # times what a look took
_log = structlog.get_logger("freehold.signals")


class Look(msgspec.Struct, frozen=True):
    """One look at the ledger. `at`: Unix seconds; `changed`: those that came on or went off since the last one."""

    at: float
    window_s: float
    signals: tuple[Signal, ...] = ()
    changed: tuple[Signal, ...] = ()


class Watcher:
    """Looks at one ledger under one set of limits, and remembers what it saw last."""

    def __init__(self, ledger: LedgerPlace, settings: SignalsSettings, slots: Mapping[str, int | None]) -> None:
        """`slots`: the declared concurrency of each owned target. Raises BadSettings when there is no ledger."""
        self._reader = SignalReader(ledger)
        self.last = Look(0.0, settings.window_s)
        self.follow(settings, slots)

    def follow(self, settings: SignalsSettings, slots: Mapping[str, int | None]) -> None:
        """From the next look on, judge by these."""
        ttft_s = None if settings.ttft_ms is None else settings.ttft_ms / 1000
        asked = Asked(ttft_s, settings.sensitive_class, settings.clock)
        self._judging = settings.window_s, asked, limits(settings, slots)  # one value: a look may be under way in a thread
        self.every_s = settings.every_s

    def look(self, now: float) -> Look:
        """Judge the window that ends now. Blocks while it reads; raises BadSettings where the ledger cannot be read."""
        window_s, asked, limited = self._judging
        observed, before = self._reader.observe(now, window_s, asked)
        judged = judge_signals(observed, before, limited, self.last.signals)
        self.last = Look(now, window_s, tuple(judged), tuple(changes(self.last.signals, judged)))
        return self.last


def limits(settings: SignalsSettings, slots: Mapping[str, int | None]) -> Limits:
    """The settings as the signals are held against them. In a replay's time machines cannot be idle: theirs is real time."""
    return Limits(
        spend_nanousd_month=None if settings.spend_usd_month is None else nanousd(settings.spend_usd_month),
        revenue_nanousd_month=None if settings.revenue_usd_month is None else nanousd(settings.revenue_usd_month),
        revenue_share=settings.revenue_share,
        rate_limited_share=settings.rate_limited_share,
        slow_share=None if settings.ttft_ms is None else settings.missed_share,
        sensitive_share=settings.sensitive_share,
        data_question_share=settings.data_question_share,
        idle_below=settings.idle_below if settings.clock == "received_at" else None,
        drift_ratio=settings.drift_ratio,
        slots=slots,
        at_least=settings.at_least,
    )


def owned_slots(settings: Settings) -> dict[str, int | None]:
    """The declared concurrency of each owned target."""
    return {name: target.concurrency for name, target in settings.targets.items() if target.engine is not None}


def build_webhook(file: ConfigFile, outbound: Outbound, metrics: PrometheusSink) -> Webhook | None:
    """The webhook of the configuration, if it has one. Raises BadSettings where its secret cannot be had."""
    stated = file.settings.signals.webhook
    if stated is None:
        return None
    place = ("signals", "webhook", "key")
    endpoint = Endpoint(stated.url, read_secret(file, place, stated.key), stated.source)
    try:
        return Webhook(outbound, endpoint, metrics.count_event)
    except ValueError as error:
        raise file.refuse(place, str(error)) from None


@asynccontextmanager
async def signals_watched(watcher: Watcher, metrics: PrometheusSink, webhook: Webhook | None) -> AsyncIterator[None]:
    """While inside, the ledger is looked at every so often and changes are sent, beside everything else."""
    tasks = [asyncio.create_task(_look_on(watcher, metrics, webhook), name="signals")]
    if webhook is not None:
        tasks.append(asyncio.create_task(webhook.run(), name="webhook"))
    for task in tasks:
        task.add_done_callback(_tell_of_death)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _look_on(watcher: Watcher, metrics: PrometheusSink, webhook: Webhook | None) -> None:
    """Until cancelled. Reading is a thread's work, so that no request waits for it, and takes a tenth of the time at most."""
    while True:
        began_at = time.monotonic()
        try:
            seen = await asyncio.to_thread(watcher.look, time.time())
        except Exception as error:  # optional: counted and logged, and the next look comes all the same
            metrics.count_failed_look()
            _log.warning("the signals could not be judged", kind=type(error).__name__, problem=str(error))
        else:
            metrics.show_signals(seen.signals)
            for signal in seen.changed:
                _log.info("signal on" if signal.state == "on" else "signal cleared", reason=signal.reason)
            if webhook is not None:
                webhook.tell(seen.changed, seen.at)
        await asyncio.sleep(max(watcher.every_s, _REST * (time.monotonic() - began_at)))


def _tell_of_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a watch ended; requests go on without it", watch=task.get_name(), kind=type(error).__name__)

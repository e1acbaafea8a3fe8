"""The fault matrix as data: every fault, and what must come of it on every surface. docs/explain/faults.md shows it."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

Mode: TypeAlias = Literal["streamed", "whole"]
MODES: tuple[Mode, ...] = ("streamed", "whole")
Money: TypeAlias = Literal["nothing", "counted", "estimated"]
Health: TypeAlias = Literal["well", "failed", "failed, cools", "asked for rest"]


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What must come of it. `caller`: `whole` (the right text to its end), `broken` (the beginning of the right text, then an
    error), or the status of an error; `code` is that error's. `attempts`: outcome and money of each, in order. `health`: of the
    target with the fault, right afterwards."""

    caller: Literal["whole", "broken"] | int
    attempts: tuple[tuple[str, Money], ...]
    health: Health
    code: str = ""
    finish: Literal["length", "filtered"] = "length"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One fault. `at`: whose target has it (`lab`: a lab provider, by the fault's name; else a place without one) and who is
    asked next. `restart`: the caller asked for a new answer where one breaks off. `waits`: its cells mostly do. `holding`: what
    must come of its stream instead where the last event holds the whole answer, so that none can be put in its place."""

    about: str
    streamed: Expected
    whole: Expected
    at: tuple[str, ...] = ("lab", "good")
    restart: bool = False
    waits: bool = False
    holding: Expected | None = None

    def expected(self, mode: Mode, *, holds_all: bool = False) -> Expected:
        """Of one mode. `holds_all`: the last event of the target's stream holds the whole answer."""
        if mode == "streamed" and holds_all and self.holding is not None:
            return self.holding
        return self.streamed if mode == "streamed" else self.whole


_FINISHED: tuple[str, Money] = ("finished", "counted")


def _moved_on(outcome: str, money: Money, health: Health) -> Expected:
    return Expected(caller="whole", attempts=((outcome, money), _FINISHED), health=health)


def _broken(outcome: str) -> Expected:
    return Expected(caller="broken", code="stream_broken", attempts=((outcome, "estimated"),), health="failed")


def _served(money: Money, finish: Literal["length", "filtered"] = "length") -> Expected:
    return Expected(caller="whole", attempts=(("finished", money),), health="well", finish=finish)


def _failed(status: int, outcome: str, health: Health, money: Money = "nothing") -> Expected:
    attempts: tuple[tuple[str, Money], ...] = ((outcome, money),) * 2
    return Expected(caller=status, code="targets_exhausted", attempts=attempts, health=health)


def _both(expected: Expected, about: str, at: tuple[str, ...] = ("lab", "good")) -> Case:
    return Case(about=about, streamed=expected, whole=expected, at=at)


_CUT_AND_NOBODY: tuple[tuple[str, Money], ...] = (("cut", "estimated"), ("unreachable", "nothing"))
_ASKED = _moved_on("overloaded", "nothing", "asked for rest")
_UNREACHABLE = _moved_on("unreachable", "nothing", "failed, cools")
_REFUSED = Expected(caller=400, code="refused", attempts=(("rejected", "nothing"),), health="well")

CASES: Mapping[str, Case] = {
    # no reply at all
    "refused": _both(_UNREACHABLE, "nobody listens on the port", ("refused", "good")),
    "reset": _both(_UNREACHABLE, "the connection is reset once the request is sent", ("reset", "good")),
    "dns": _both(_UNREACHABLE, "the name leads nowhere", ("dns", "good")),
    "tls": _both(_UNREACHABLE, "its certificate is signed by nobody we trust", ("tls", "good")),
    "stall_head": Case(
        about="it takes the request and never answers", waits=True,
        streamed=_moved_on("timed_out", "estimated", "failed, cools"), whole=_moved_on("timed_out", "estimated", "failed, cools"),
    ),
    # an error for a reply
    "rate_limit": _both(_ASKED, "429 with Retry-After in seconds"),
    "rate_limit_date": _both(_ASKED, "429 with Retry-After as a date"),
    "rate_limit_silent": _both(_ASKED, "429 that does not say for how long"),
    "quota": _both(_moved_on("rejected", "nothing", "failed, cools"), "429 because money ran out"),
    "error_401": _both(_moved_on("rejected", "nothing", "failed, cools"), "401: it does not know our key"),
    "error_500": _both(_moved_on("broken", "nothing", "failed"), "500"),
    "error_502": _both(_moved_on("broken", "nothing", "failed"), "502"),
    "error_503": _both(_ASKED, "503"),
    "error_529": _both(_ASKED, "529"),
    "refusal": _both(_REFUSED, "400: its content policy forbids the request"),
    # status 200, and yet no answer
    "body_200_error": _both(_moved_on("malformed", "estimated", "failed"), "status 200 around an error body"),
    "wrong_type": _both(_moved_on("malformed", "estimated", "failed"), "status 200 around a page for people"),
    "stall_open": Case(
        about="it falls silent after its headers", waits=True,
        streamed=_moved_on("timed_out", "estimated", "failed, cools"), whole=_moved_on("timed_out", "estimated", "failed, cools"),
    ),
    "cut_before": _both(_moved_on("cut", "estimated", "failed"), "the connection breaks before the first token"),
    "error_first": Case(
        about="an error event before the first token; an error for a body",
        streamed=_moved_on("broken", "estimated", "failed"), whole=_moved_on("malformed", "estimated", "failed"),
    ),
    # an answer that breaks off
    "cut": Case(
        about="the connection breaks after the first tokens", waits=True,
        streamed=_broken("cut"), whole=_moved_on("cut", "estimated", "failed"),
    ),
    "error_event": Case(
        about="an error event after the first tokens; an error for a body", waits=True,
        streamed=_broken("broken"), whole=_moved_on("malformed", "estimated", "failed"),
    ),
    "malformed": Case(
        about="JSON that is none after the first tokens", waits=True,
        streamed=_broken("malformed"), whole=_moved_on("malformed", "estimated", "failed"),
    ),
    "huge": Case(
        about="an event without end after the first tokens; a body larger than its bound", waits=True,
        streamed=_broken("malformed"), whole=_moved_on("rejected", "estimated", "well"),
    ),
    "stall_stream": Case(
        about="it falls silent after the first tokens", waits=True,
        streamed=_broken("stalled"), whole=_moved_on("timed_out", "estimated", "failed, cools"),
    ),
    "drip": Case(
        about="it drips more slowly than its bound allows", waits=True,
        streamed=_broken("stalled"), whole=_moved_on("timed_out", "estimated", "failed, cools"),
    ),
    "restart": Case(
        about="the same cut, for a caller who sent `x-freehold-restart: anew`", at=("lab:cut", "good"), restart=True, waits=True,
        streamed=_moved_on("cut", "estimated", "failed"), whole=_moved_on("cut", "estimated", "failed"),
    ),
    # an answer that is whole all the same
    "no_usage": _both(_served("estimated"), "the token counts are missing"),
    "wrong_usage": _both(_served("estimated"), "the token counts cannot be"),
    "no_done": Case(
        about="the stream ends without its last event", streamed=_served("counted"), whole=_served("counted"),
        holding=_broken("cut"),
    ),
    "double_finish": _both(_served("counted"), "it says twice that it is finished"),
    "split_letters": _both(_served("counted"), "letters of several bytes, cut inside one"),
    "filtered": _both(_served("counted", "filtered"), "its own filter stopped the answer"),
    # nobody is left
    "both_refused": _both(
        _failed(502, "unreachable", "failed, cools"), "nobody listens at either target", ("refused", "refused")
    ),
    "both_broken": _both(_failed(502, "broken", "failed"), "500 from either target", ("lab:error_500", "lab:error_500")),
    "both_busy": _both(
        _failed(429, "overloaded", "asked for rest"), "429 from either target", ("lab:rate_limit", "lab:rate_limit")
    ),
    "restart_fails": Case(
        about="a cut, and nobody listens where the caller's `x-freehold-restart: anew` leads", at=("lab:cut", "refused"),
        restart=True, waits=True,
        streamed=Expected(caller="broken", code="targets_exhausted", attempts=_CUT_AND_NOBODY, health="failed"),
        whole=Expected(caller=502, code="targets_exhausted", attempts=_CUT_AND_NOBODY, health="failed"),
    ),
    "both_late": Case(
        about="neither target ever answers", at=("lab:stall_head", "lab:stall_head"), waits=True,
        streamed=_failed(504, "timed_out", "failed, cools", "estimated"),
        whole=_failed(504, "timed_out", "failed, cools", "estimated"),
    ),
}  # fmt: skip
# Held by a test of its own, since it is a story of several requests.
RECOVERY = "500 until its breaker opens, then well again"

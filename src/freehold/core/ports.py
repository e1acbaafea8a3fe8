"""The seams: what can be plugged in, as Protocols. Services and adapters meet only here; app/wiring.py injects."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, TypeAlias

import msgspec

from freehold.core.conversation import Conversation
from freehold.core.decision import Load
from freehold.core.entry import AttemptOutcome, Entry
from freehold.core.errors import FreeholdError
from freehold.core.request import Dialect, Request
from freehold.core.said import Step, Whole
from freehold.core.target import Target
from freehold.core.usage import Usage

Signer: TypeAlias = Callable[["HttpCall"], Awaitable["HttpCall"]]


class HttpCall(msgspec.Struct, frozen=True):
    """One outbound HTTP request, fully written by a codec. The outbound client adds nothing but framing.

    `of`: the URL of the target whose certificates and proxy hold for it, where that is not its own origin's. `signer` writes what
    only the moment of sending can: a signature, a token that expires. It raises UpstreamFailure where it cannot.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"
    of: str | None = None
    signer: Signer | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What an error reply of a target means. `elsewhere`: another target may help; `cool_s`: leave this one alone that long."""

    elsewhere: bool
    outcome: AttemptOutcome
    detail: str
    cool_s: float = 0.0
    retry_after_s: float | None = None


class Delta(msgspec.Struct, frozen=True):
    """One stream event, as far as routing and metering need it. `text_bytes` counts content, escaped, to estimate from;
    `service_tier` is the service that the target says it bills."""

    content: bool = False
    text_bytes: int = 0
    finished: int = 0
    usage: Usage | None = None
    raw_usage: str | None = None
    usage_only: bool = False
    done: bool = False
    error: str | None = None
    service_tier: str | None = None


class Reply(msgspec.Struct, frozen=True):
    """A whole, non-streamed answer, as far as metering needs it."""

    usage: Usage | None
    raw_usage: str | None
    text_bytes: int
    service_tier: str | None = None


class Surface(Protocol):
    """One dialect as our callers speak it. `ending`: what ends a finished stream whose target left its own end out."""

    dialect: Dialect
    ending: bytes

    def read(self, body: bytes, headers: Mapping[str, str]) -> Request:
        """A request from its body and the headers of the dialect. Raises BadRequest naming the field and the mend."""
        ...

    def parse(self, request: Request) -> Conversation:
        """What it asks, to be said in another dialect. Raises Untranslatable for what no conversation holds, BadRequest."""
        ...

    def whole(self, whole: Whole, request: Request) -> bytes:
        """An answer that came in another dialect, as the body its caller reads."""
        ...

    def writer(self, request: Request) -> "StepWriter":
        """The same for one stream."""
        ...

    def error(self, error: FreeholdError, request_id: str) -> bytes:
        """An error as a whole body. Not for a target's own refusal in the same dialect, which is passed on as it came."""
        ...

    def error_event(self, error: FreeholdError, request_id: str) -> bytes:
        """An error as the last event of a stream that has begun. SDKs raise on it."""
        ...


class StepWriter(Protocol):
    """Steps in, events of the caller's dialect out; one stream."""

    def write(self, step: Step) -> bytes:
        """Whole events; nothing where this step says nothing yet. What comes with Stopped or later ends the answer."""
        ...


class StepReader(Protocol):
    """Events of a target's dialect in, steps out; one stream."""

    def read(self, event: bytes) -> Sequence[Step]:
        """One complete event, as the target's splitter cut it. Raises ValueError on malformed data."""
        ...

    def close(self) -> Sequence[Step]:
        """The connection ended. Closed where that is how the dialect ends a finished stream; else what was still held."""
        ...


class Splitter(Protocol):
    """Cuts the bytes of one stream into whole events. `content_type`: what such a stream says it is."""

    content_type: str

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that this chunk completes. Raises ValueError on bytes that are none, but never in place of events."""
        ...

    def require_short(self) -> None:
        """Raises ValueError where the event under way is past the limit."""
        ...


class Native(Protocol):
    """One dialect towards a target, for a request that came in the same one: its bytes go on untouched, only counted."""

    def takes(self, request: Request) -> bool:
        """Whether the target honours this request as it came; else it is to be said to it in another dialect, or not at all."""
        ...

    def encode(self, request: Request, target: Target) -> HttpCall:
        """The call that asks this target for this request, usage always asked for."""
        ...

    def decode(self, body: bytes) -> Reply:
        """Read a whole answer. Raises ValueError on a body that is none, though the status said 200."""
        ...

    def deltas(self) -> "StreamCount":
        """What counts one stream."""
        ...


class StreamCount(Protocol):
    """The events of one stream, as far as routing and metering need them."""

    def delta(self, event: bytes) -> Delta:
        """Read one complete SSE event. Raises ValueError on malformed data."""
        ...


class Composer(Protocol):
    """A target's own dialect, for requests that came in any other. `dialect` names it to people, `carries` the hints of a
    conversation that it can say."""

    dialect: str
    carries: frozenset[str]

    def compose(self, conversation: Conversation, target: Target, *, stream: bool) -> HttpCall:
        """The call that asks for this conversation, usage always asked for. Raises Untranslatable by the field's name."""
        ...

    def whole(self, body: bytes) -> Whole:
        """Read a whole answer. Raises ValueError on a body that is none, though the status said 200."""
        ...

    def reader(self) -> StepReader:
        """Reads one stream."""
        ...


class Follow(msgspec.Struct, frozen=True):
    """A further call that the answer needs, after that many seconds."""

    call: HttpCall
    after_s: float = 0.0


Judge: TypeAlias = Callable[[int, Mapping[str, str], bytes], Verdict]
Follower: TypeAlias = Callable[[bytes, Target, bool], Follow | None]


class Codec(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of target is spoken to: no sockets, no retries, no auth flow.

    `natives`: the dialects it takes as they come; `composer`: what all others are said in, None where it takes no others, and
    `splitter` what cuts the streams that its reader reads, None where those are server-sent events.
    `verdict` judges an error reply by status, headers and body. `follow`, where a good reply to the first call is not the answer
    yet: what to ask next, from its body, the target and whether a stream is wanted; None: that body is the answer. It raises
    ValueError where the body names a host that is none of that API's: our key and our requests go nowhere else.
    """

    natives: Mapping[Dialect, Native]
    composer: Composer | None
    verdict: Judge
    follow: Follower | None = None
    splitter: Callable[[], Splitter] | None = None


class LaunchSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How to start an owned engine: an argument vector, extra environment, and where it will answer."""

    argv: tuple[str, ...]
    url: str
    ready_path: str
    env: Mapping[str, str] = {}


class EngineSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What someone wants launched. `model`: a path to weights or a hub id `org/name[@revision]`, resolved by the caller."""

    model_path: str
    alias: str
    host: str = "127.0.0.1"
    port: int
    parallel: int = 4
    context_tokens: int = 2048
    threads: int = 1


class Engine(Protocol):
    """An owned engine: how it is spoken to, launched, and its load read from the page at `metrics_path`."""

    codec: Codec
    metrics_path: str

    def launch(self, spec: EngineSpec) -> LaunchSpec:
        """The command that serves the model."""
        ...

    def load(self, metrics_text: str) -> Load:
        """Its load from that page's text. Raises ValueError where the needed series are missing."""
        ...


class UpstreamReply(Protocol):
    """A reply whose head has arrived. Always close it; closing before the end aborts the upstream's work."""

    status: int
    headers: Mapping[str, str]

    async def chunk(self) -> bytes:
        """The next body bytes as they arrive; empty at the end. Raises UpstreamFailure when the connection breaks."""
        ...

    async def read(self, limit: int) -> bytes:
        """The whole body, at most `limit` bytes. Raises UpstreamFailure past it."""
        ...

    def close(self) -> None:
        """Abort if unfinished; hand the connection back if whole."""
        ...


class UpstreamFailure(Exception):
    """The transport could not bring the reply: unreachable, timed out, stalled or cut."""

    def __init__(self, outcome: AttemptOutcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome: AttemptOutcome = outcome
        self.detail = detail


class Outbound(Protocol):
    """The one client that does I/O towards targets."""

    async def send(self, call: HttpCall) -> UpstreamReply:
        """Send and wait for the head, as long as the caller lets it. Raises UpstreamFailure. No redirects, no proxies."""
        ...


class Sink(Protocol):
    """Where the answer to one caller goes: head, then writes, then end; or abort. `started` once the head is out."""

    started: bool

    def cancelled_by_hang_up(self) -> AbstractAsyncContextManager[None]:
        """While inside, a caller that hangs up cancels the body; outside, it is let finish."""
        ...

    async def head(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """Send the status line and headers; waits while the caller reads slowly."""
        ...

    async def write(self, data: bytes) -> None:
        """Send body bytes; waits while the caller reads slowly."""
        ...

    async def end(self, data: bytes = b"") -> None:
        """Send the last bytes and finish."""
        ...

    def abort(self) -> None:
        """Break the connection without an end, so that the caller cannot take the answer for whole."""
        ...


class Ledger(Protocol):
    """Where entries become durable."""

    def append(self, entry: Entry) -> Awaitable[None]:
        """Resolves once the entry is in a committed, fsynced group commit. Raises LedgerUnavailable."""
        ...

    def healthy(self) -> bool:
        """Whether the last commit worked; admission fails closed when not."""
        ...


Purpose: TypeAlias = Literal["shadow", "judge"]


class NotAsked(msgspec.Struct, frozen=True):
    """A request of our own that was not answered; `reason` in one sentence, without content."""

    reason: str


class Dispatcher(Protocol):
    """Asks one target on our own behalf, in the name of one workload's exchange: never in front of a caller's request, never in
    its budget, and bound by everything that binds the exchange itself."""

    async def ask(self, request: Request, target: str, purpose: Purpose) -> Whole | NotAsked:
        """The whole answer; NotAsked where a constraint or a cap forbids it, or nothing whole came. Does not raise for either."""
        ...


class Graded(msgspec.Struct, frozen=True):
    """What two answers to one request are worth, 0 (worst) to 1 (best) each, and the slice of the traffic they belong to."""

    candidate: float
    incumbent: float
    slice: str | None = None


class PairGrader(Protocol):
    """Scores the answers of two models to one request, whatever dialect they came in. Pure: it asks nobody."""

    def grade(self, request: Request, candidate: Whole, incumbent: Whole) -> Graded:
        """Both scores; an answer that cannot be read scores 0."""
        ...

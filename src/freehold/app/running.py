"""What a running gateway says of its targets at this moment, read from its admin API."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp
import msgspec

from freehold.core.decision import TargetState
from freehold.core.errors import BadSettings

_PATIENCE_S = 10.0
_MOST_BYTES = 16 * 1024 * 1024


class Running(msgspec.Struct, frozen=True):
    """The policy it serves under, and each target's state there."""

    policy: str
    states: Mapping[str, TargetState]


class _Target(msgspec.Struct):
    name: str
    in_flight: int
    cooling_s: float


class _Summary(msgspec.Struct):
    policy: str
    targets: list[_Target]


async def read_running(url: str, key: str) -> Running:
    """Ask the admin API at that URL with a key that a viewer has. Raises BadSettings where it does not answer, or not to us."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadSettings(f"--gateway is {url!r}; use the URL of its admin API, such as http://127.0.0.1:8401")
    timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(
                f"{url.rstrip('/')}/admin/summary", headers={"authorization": f"Bearer {key}"}, allow_redirects=False
            ) as reply,
        ):
            status, body = reply.status, await reply.content.read(_MOST_BYTES)
            while not reply.content.at_eof() and len(body) < _MOST_BYTES:
                body += await reply.content.read(_MOST_BYTES - len(body))
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        raise BadSettings(f"--gateway {url}: it does not answer ({type(error).__name__})") from None
    if status in {401, 403}:
        raise BadSettings(f"--gateway {url}: it refuses --admin-key; give the admin key, or a key with role viewer")
    try:
        summary = msgspec.json.decode(body, type=_Summary)
    except ValueError:
        raise BadSettings(f"--gateway {url}: status {status}, and no summary; give the URL of the admin API") from None
    states = {target.name: TargetState(in_flight=target.in_flight, cooling_s=target.cooling_s) for target in summary.targets}
    return Running(summary.policy, states)

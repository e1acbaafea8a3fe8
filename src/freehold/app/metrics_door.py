"""Who may read `/metrics` on the data port: names of targets, keys' limits and money are in it, but no caller's text."""

from collections.abc import Mapping

from freehold.app.admin_door import AdminDoor
from freehold.app.settings import MetricsRule
from freehold.core.errors import Unauthenticated
from freehold.serve.access.keys import credential
from freehold.serve.transport.ways import is_loopback


class MetricsDoor:
    """The rule of the `metrics` setting, over where the data port listens and the roles of the admin plane."""

    def __init__(self, rule: MetricsRule, listen: str, door: AdminDoor) -> None:
        self._open = rule == "open"
        self._open_here = rule == "loopback" and is_loopback(listen.rpartition(":")[0])
        self._door = door

    def refuse(self, headers: Mapping[str, str]) -> None:
        """Raises Unauthenticated where the rule is not met: any role of the admin plane meets it."""
        if self._open or (self._open_here and _names_loopback(headers.get("host", ""))):
            return
        given = credential(headers)
        if given is None or self._door.opens(given) is None:
            raise Unauthenticated(
                "/metrics needs the admin key or a key with role viewer, as 'Authorization: Bearer <key>'; the metrics setting "
                "says from where it is open"
            )


def _names_loopback(host: str) -> bool:
    """Of a Host header, with or without a port. Another name there is a web page that led its own name here, or a proxy."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    return is_loopback(name.removeprefix("[").removesuffix("]"))

"""Who may read the metrics of the data port: by default whoever reaches a loopback port, elsewhere a role of the admin plane."""

import pytest

from freehold.app.admin_door import AdminDoor
from freehold.app.metrics_door import MetricsDoor
from freehold.app.settings import MetricsRule
from freehold.core.errors import Unauthenticated
from freehold.serve.access.admission import Admission
from freehold.serve.access.keys import Key, Keyring, digest
from freehold.serve.gateway.clock import SystemClock

KEYS = Keyring([
    Key("app", digest("app")), Key("viewer", digest("viewer"), role="viewer"),
    Key("operator", digest("operator"), role="operator"),
    Key("late", digest("late"), role="viewer", expires_at=1.0), Key("gone", digest("gone"), role="admin", revoked=True),
])  # fmt: skip


class House:
    """What an admin door looks at of a gateway."""

    class policy:  # noqa: N801
        keys = KEYS

    admission = Admission()
    clock = SystemClock()


def lets(rule: MetricsRule, listen: str, headers: dict[str, str]) -> bool:
    door = MetricsDoor(rule, listen, AdminDoor(House(), digest("admin")))  # type: ignore[arg-type]
    try:
        door.refuse(headers)
    except Unauthenticated:
        return False
    return True


@pytest.mark.parametrize(
    ("rule", "listen", "open_to_all"),
    [
        ("loopback", "127.0.0.1:8400", True), ("loopback", "localhost:8400", True), ("loopback", "0.0.0.0:8400", False),
        ("loopback", "10.0.0.5:8400", False), ("loopback", "gateway.internal:8400", False),
        ("role", "127.0.0.1:8400", False), ("role", "0.0.0.0:8400", False), ("open", "0.0.0.0:8400", True),
    ],
)  # fmt: skip
def test_who_is_let_in(rule: MetricsRule, listen: str, open_to_all: bool) -> None:
    for key in ("admin", "viewer", "operator"):
        assert lets(rule, listen, {"authorization": f"Bearer {key}"})
        assert lets(rule, listen, {"x-api-key": key})
    for key in ("app", "late", "gone", "nobody", ""):
        assert lets(rule, listen, {"host": "127.0.0.1:8400", "authorization": f"Bearer {key}"}) is open_to_all
    assert lets(rule, listen, {"host": "127.0.0.1:8400"}) is open_to_all


@pytest.mark.parametrize("host", ["127.0.0.1:8400", "127.0.0.1", "localhost:8400", "LOCALHOST", "[::1]:8400", "[::1]"])
def test_a_name_of_this_machine(host: str) -> None:
    assert lets("loopback", "127.0.0.1:8400", {"host": host})


@pytest.mark.parametrize("host", ["evil.example:8400", "127.0.0.1.nip.io", "freehold.example", "", "localhost.evil.example:80"])
def test_another_name_needs_a_role_though_the_port_is_loopback(host: str) -> None:
    """What a web page sees that leads its own name to this machine, and what a proxy forwards."""
    assert not lets("loopback", "127.0.0.1:8400", {"host": host})
    assert lets("loopback", "127.0.0.1:8400", {"host": host, "authorization": "Bearer viewer"})
    assert lets("open", "127.0.0.1:8400", {"host": host})

"""The processes that most end-to-end tests share, started when first asked for; their logs are shown where a test fails."""

from collections.abc import Generator, Iterator

import pytest

from e2e.house import Child, Gateway, House, Lab, owned, rented

_HOUSE = pytest.StashKey[House]()


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("house")) as house:
        pytestconfig.stash[_HOUSE] = house
        yield house


@pytest.fixture(scope="session")
def provider(house: House) -> Lab:
    """Answers as fast as it can."""
    return house.lab("provider", "--ttft-ms", "1", "--tokens-per-s", "100000", "--stall-s", "30")


@pytest.fixture(scope="session")
def slow_provider(house: House) -> Lab:
    """First token after 50 ms, then ten a second."""
    return house.lab("provider", "--ttft-ms", "50", "--tokens-per-s", "10")


@pytest.fixture(scope="session")
def crawling_provider(house: House) -> Lab:
    """First token at once, the next a second later."""
    return house.lab("provider", "--ttft-ms", "1", "--tokens-per-s", "1")


@pytest.fixture(scope="session")
def tickets(house: House) -> Child:
    """The real engine."""
    return house.tickets_engine()


@pytest.fixture(scope="session")
def gateway(house: House, provider: Lab, slow_provider: Lab, crawling_provider: Lab, tickets: Child) -> Gateway:
    """In front of the real engine and of three lab providers."""
    targets = {
        "tickets-llamacpp": owned(tickets.url, engine="llamacpp", model="tiny-tickets", clearance="restricted"),
        "fast-api": rented(provider),
        "slow-api": rented(slow_provider),
        "crawling-api": rented(crawling_provider),
    }
    workloads = {
        "ticket-triage": {"targets": ["tickets-llamacpp", "fast-api"], "data": "confidential"},
        "fast": {"targets": ["fast-api"]},
        "slow": {"targets": ["slow-api"]},
        "crawling": {"targets": ["crawling-api"]},
    }
    return house.gateway("gateway", {"targets": targets, "workloads": workloads})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    house = item.config.stash.get(_HOUSE, None)
    if report.failed and house is not None:
        report.sections.extend((f"log of {child.name}", child.tail()) for child in house.children)
    return report

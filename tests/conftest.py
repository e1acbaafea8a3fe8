"""Profiles for property tests: this may run on a busy machine, so slowness is no failure; seeds are printed.

Before every commit each looks at fewer examples, unless it names its own number; `make test-long` looks at all of them.

And the servers that tests of several rooms share, started when first asked for.
"""

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings
from postgres_cluster import Cluster
from services import REQUIRED, NotHere

settings.register_profile(
    "freehold", max_examples=30, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("whole", settings.get_profile("freehold"), max_examples=100)
settings.load_profile("freehold")


@pytest.fixture(autouse=True)
def logs_of_its_own() -> Iterator[None]:
    """A command that a test runs in this process sets logging up on a stream that is closed with the test."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server. Where none can be had its tests are skipped, unless the services are required."""
    try:
        started = Cluster()
    except NotHere as problem:
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(str(problem))
        pytest.skip(str(problem))
    with started as running:
        yield running

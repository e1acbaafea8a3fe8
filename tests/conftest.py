"""One profile for every property test: this may run on a busy machine, so slowness is no failure; seeds are printed."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("freehold", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("freehold")


@pytest.fixture(autouse=True)
def logs_of_its_own() -> Iterator[None]:
    """A command that a test runs in this process sets logging up on a stream that is closed with the test."""
    yield
    structlog.reset_defaults()

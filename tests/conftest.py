"""One profile for every property test: this may run on a busy machine, so slowness is no failure; seeds are printed."""

from hypothesis import HealthCheck, settings

settings.register_profile("freehold", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("freehold")

"""How the health of each target is looked after, from the settings."""

from collections.abc import Mapping

from freehold.app.config_file import ConfigFile
from freehold.rules.breaker import Breaking
from freehold.rules.health import Care
from freehold.rules.quota import Rates
from freehold.rules.ramp import Ramp


def configured_health(file: ConfigFile) -> Mapping[str, Care]:
    """By target. Raises BadSettings where one's own engine is to be probed for money."""
    cares: dict[str, Care] = {}
    for name, spec in file.settings.targets.items():
        stated = spec.health
        if stated.paid_probes and spec.engine is not None:
            place = ("targets", name, "health", "paid_probes")
            raise file.refuse(place, "an engine of your own is checked for free; leave it out")
        cares[name] = Care(
            breaking=Breaking(stated.failures, stated.open_s, stated.longest_open_s),
            ramp=Ramp(stated.ramp_from, stated.ramp_s),
            rates=Rates(spec.limits.requests_per_minute, spec.limits.tokens_per_minute),
            paid_probes=stated.paid_probes,
        )
    return cares

"""From a valid file to the policy the request line runs on: references resolved, prices found, dead rules refused."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache

import msgspec

from freehold.app.access import check_keys, configured_budgets, configured_key, configured_limits
from freehold.app.config_file import ConfigFile
from freehold.app.credentials import read_secret
from freehold.app.declared import Declared
from freehold.app.guards import build_ways, kept_content, media_lists
from freehold.app.hiring import hire
from freehold.app.probes import ProbeRecord, read_probes
from freehold.app.prompts import configured_prompts
from freehold.app.sensitivity import build_inspector
from freehold.app.settings import PriceSettings, TargetSettings
from freehold.catalog.capabilities import load_capabilities
from freehold.catalog.facts import load_facts
from freehold.catalog.prices import PriceBook, UnknownPrice
from freehold.catalog.versions import is_pinned
from freehold.core.data import Party
from freehold.core.money import nanousd
from freehold.core.ports import Codec
from freehold.core.price import PriceCard, Rate
from freehold.core.request import Ask
from freehold.core.target import Hardware, Secret, Target, Terms, Workload
from freehold.rules.constraints import removed_by
from freehold.rules.handling import settle
from freehold.serve.access.keys import Keyring
from freehold.serve.codecs import adapted
from freehold.serve.engines import ENGINES
from freehold.serve.gateway.policy import Bounds, Policy
from freehold.serve.gateway.policy_record import facts_digest
from freehold.serve.providers import PROVIDERS


def build_policy(file: ConfigFile, today: date) -> Policy:
    """Raises BadSettings at the first thing that would fail at the first request: a missing key, price, target or clearance."""
    settings = file.settings
    hired = _hired(file)
    declared = Declared(file)
    probes = read_probes(file.path)
    bare = {name: _target(file, name, spec, hired.get(name)) for name, spec in settings.targets.items()}
    targets = _with_capabilities(file, bare, probes)
    workloads = _workloads(file, targets, declared)
    keys = [configured_key(spec, handling) for spec, handling in zip(settings.keys, declared.keys, strict=True)]
    check_keys(file, targets, workloads)
    price = _pricer(settings.targets, PriceBook())
    for name, target in targets.items():
        try:
            price(target, today)
        except UnknownPrice as error:
            raise file.refuse(("targets", name), f"no price: {error}; give price: {{like: provider/model}} or numbers") from None
    return Policy(
        version=f"{file.version}-{facts_digest(targets.values(), workloads.values())}",
        targets=targets, workloads=workloads, codecs={n: _codec(file, t) for n, t in targets.items()},
        engines={n: ENGINES[t.codec] for n, t in targets.items() if not t.rented},
        keys=Keyring(keys), bounds=Bounds(**settings.bounds.model_dump()), price=price,
        ways=build_ways(file, targets, workloads, declared.labels), media_hosts=media_lists(file), keep=kept_content(file),
        labels=declared.labels, providers=declared.providers, inspector=build_inspector(file),
        budgets=configured_budgets(file), limits=configured_limits(file),
    )  # fmt: skip


def _hired(file: ConfigFile) -> dict[str, Hardware]:
    """The machine of each target that says what it runs on; the price list is read only where one does."""
    costs = {name: spec.cost for name, spec in file.settings.targets.items() if spec.cost is not None}
    if not costs:
        return {}
    facts = load_facts()
    return {name: hire(file, name, cost, facts) for name, cost in costs.items()}


def _target(file: ConfigFile, name: str, spec: TargetSettings, hardware: Hardware | None) -> Target:
    return Target(
        name=name,
        kind="rented" if spec.provider else "owned",
        codec=spec.provider or spec.engine or "",
        url=spec.url or PROVIDERS[spec.provider or ""].url or "",
        model=spec.model,
        clearance=spec.clearance,
        secret=_secret(file, name, spec),
        regions=frozenset(spec.regions),
        terms=Terms(spec.terms.retention_days, spec.terms.trains_on_data, spec.terms.baa),
        egress=spec.egress,
        provider=spec.operator or _company(spec.provider),
        labels=None if spec.labels is None else frozenset(spec.labels),
        pinned=is_pinned(spec.model) or spec.weights is not None if spec.pinned is None else spec.pinned,
        weights=spec.weights,
        context_tokens=spec.context_tokens,
        concurrency=spec.concurrency,
        max_output_tokens=spec.max_output_tokens,
        hardware=hardware,
        lab=spec.lab or spec.provider == "lab",
    )


def _company(provider: str | None) -> str | None:
    """Who runs it; nobody knows whose an OpenAI-compatible server is."""
    if provider is None or provider == "openai_compatible":
        return None
    return PROVIDERS[provider].company or provider


def _with_capabilities(file: ConfigFile, targets: Mapping[str, Target], probes: ProbeRecord) -> dict[str, Target]:
    """What each target honours: by the table of known servers, over it by what was found there, over both by its settings."""
    table = load_capabilities()
    made: dict[str, Target] = {}
    for name, target in targets.items():
        probed = probes.of(target)
        made[name] = msgspec.structs.replace(
            target,
            capabilities={
                **table.get("lab" if target.lab else target.codec, {}),
                **(probed.capabilities() if probed else {}),
                **file.settings.targets[name].capabilities,
            },
        )
    return made


def _secret(file: ConfigFile, name: str, spec: TargetSettings) -> Secret | None:
    if spec.key is None and spec.provider and spec.auth is None and (sign_ins := PROVIDERS[spec.provider].sign_ins):
        variable = PROVIDERS[spec.provider].key_env
        raise file.refuse(("targets", name), f"key is missing; key: env:{variable}, or auth: {', '.join(sign_ins)}")
    if spec.key is None:
        if spec.provider and PROVIDERS[spec.provider].url is not None and spec.url is None:
            variable = PROVIDERS[spec.provider].key_env
            raise file.refuse(("targets", name), f"key is missing; for example key: env:{variable}")
        return None
    return read_secret(file, ("targets", name, "key"), spec.key)


def _workloads(file: ConfigFile, targets: Mapping[str, Target], declared: Declared) -> dict[str, Workload]:
    workloads: dict[str, Workload] = {}
    prompts = configured_prompts(file)
    for name, spec in file.settings.workloads.items():
        for unknown in [t for t in spec.targets if t not in targets]:
            raise file.refuse(("workloads", name, "targets"), f"unknown target {unknown!r}; there are {', '.join(targets)}")
        if len(set(spec.targets)) < len(spec.targets):
            raise file.refuse(("workloads", name, "targets"), "a target stands there twice")
        handling = declared.workloads[name]
        floor = Ask(workload=name, handling=settle([Party("workload", handling)], declared.labels), labels=declared.labels)
        removed = [removed_by(floor, targets[t]) for t in spec.targets]
        if all(removed):
            why = "; ".join(f"{reason.target}: {reason.detail}" for reason in removed if reason)
            raise file.refuse(("workloads", name), f"none of its targets may ever serve it ({why})")
        workloads[name] = Workload(
            name=name, targets=tuple(spec.targets), handling=handling, spill=spec.spill, prompts=prompts[name]
        )
    for clash in workloads.keys() & targets.keys():
        raise file.refuse(("workloads", clash), "a target has the same name; requests could not tell them apart")
    return workloads


def _codec(file: ConfigFile, target: Target) -> Codec:
    if not target.rented:
        return ENGINES[target.codec].codec
    provider, auth = PROVIDERS[target.codec], file.settings.targets[target.name].auth
    if auth is None:
        return provider.codec()
    try:
        return adapted(provider.codec(), signer=provider.sign_ins[auth](target))
    except ValueError as error:
        raise file.refuse(("targets", target.name, "auth"), str(error)) from None


def _pricer(specs: Mapping[str, TargetSettings], book: PriceBook) -> Callable[[Target, date], PriceCard | None]:
    """The price of a target on a day; looked up once a day. Owned targets have none: their cost is the machine's."""

    @lru_cache(maxsize=4096)
    def find(name: str, codec: str, model: str, day: date) -> PriceCard:
        stated = specs[name].price
        if stated is None:
            return book.find(PROVIDERS[codec].company or codec, model, day)
        if stated.like is not None:
            provider, _, like = stated.like.partition("/")
            return book.find(provider, like, day)
        return contract_card(codec, model, stated)

    def price(target: Target, day: date) -> PriceCard | None:
        return find(target.name, target.codec, target.model, day) if target.rented else None

    return price


def contract_card(provider: str, model: str, stated: PriceSettings) -> PriceCard:
    """A negotiated price, as the settings state it in numbers."""
    assert stated.input is not None
    assert stated.output is not None

    def rate(usd: Decimal | None) -> Rate | None:
        return None if usd is None else Rate(nanousd(usd))

    return PriceCard(
        provider=provider, model=model, input=Rate(nanousd(stated.input)), output=Rate(nanousd(stated.output)),
        cache_read=rate(stated.cache_read), cache_write=rate(stated.cache_write), cache_write_1h=rate(stated.cache_write_1h),
        input_audio=rate(stated.input_audio), output_audio=rate(stated.output_audio), valid_from=stated.valid_from,
        source=stated.source,
    )  # fmt: skip

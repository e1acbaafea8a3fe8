"""One deployment of LiteLLM's as a target of ours. What nobody said stays closed: public data only, no region, no promise."""

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from pydantic import ValidationError

from freehold.app.imports.litellm.entries import Entry
from freehold.app.imports.litellm.fates import Fates, Path
from freehold.app.imports.litellm.prices import PER_TOKEN, like, stated_price
from freehold.app.imports.litellm.reasons import INFO, PARAMS
from freehold.app.imports.litellm.sellers import Seller, find_seller, split_model
from freehold.app.settings import TargetSettings
from freehold.catalog.prices import PriceBook
from freehold.serve.providers import PROVIDERS

_ENVIRONMENT = "os.environ/"
_MOST = 1e15  # of requests, tokens or weights: what is more is a slip
_NO_KEYS = frozenset({"", "none", "null", "empty", "dummy", "fake-key", "fake", "not-needed", "no-key", "anything"})
# What signs in where no key does: those of a service principal, a person, or a token.
_ENTRA = ("tenant_id", "client_id", "client_secret", "azure_ad_token", "azure_username", "azure_password", "azure_scope")
_AWS = (
    "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_role_name", "aws_session_name", "aws_profile_name",
    "aws_web_identity_token",
)  # fmt: skip
_NO_CHAT = re.compile(r"embed|whisper|dall-e|gpt-image|imagen|rerank|moderation|(^|[-/])tts([-/]|$)", re.IGNORECASE)
_CAPABILITIES: Mapping[str, str] = {
    "supports_function_calling": "tools",
    "supports_response_schema": "json_schema",
    "supports_vision": "vision",
    "supports_audio_input": "audio",
}


class LeftOut(ValueError):
    """Why a deployment is no target."""


class Around:
    """What deployments are converted in: prices of a day, the environment, names that are taken, literal keys seen before."""

    def __init__(self, on: dt.date, book: PriceBook, environment: Mapping[str, str], taken: frozenset[str]) -> None:
        self.on = on
        self.book = book
        self.environment = environment
        self.literals: dict[str, str] = {}
        self._taken = set(taken)

    def name(self, group: str, seller: str) -> str:
        """A target's name that nothing else has, such as gpt-4o-azure-2."""
        last = re.sub(r"[^A-Za-z0-9._-]+", "-", group.rpartition("/")[2]).strip("-.") or "model"
        wished = name = f"{last}-{seller}"
        n = 1
        while name in self._taken:
            n += 1
            name = f"{wished}-{n}"
        self._taken.add(name)
        return name


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment that became a target. `remarks`: what a person has to know or choose, by field."""

    entry: Entry
    name: str
    target: Mapping[str, Any]
    remarks: Mapping[str, str]

    def number(self, field: str) -> float | None:
        """What litellm_params or model_info state there, where it is a number that can be one."""
        value = self.entry.params.get(field, self.entry.info.get(field))
        return value if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST else None

    @property
    def rank(self) -> tuple[float, float]:
        """What LiteLLM would choose first comes first: by order, then by weight."""
        order, weight = self.number("order"), self.number("weight")
        return (float("inf") if order is None else order, -(weight or 0.0))


class _Making:
    """A target while it is made; every step says what became of the keys it read."""

    def __init__(self, entry: Entry, fates: Fates, around: Around) -> None:
        self.entry, self.fates, self.around = entry, fates, around
        self.params, self.info = (*entry.at, "litellm_params"), (*entry.at, "model_info")
        self.target: dict[str, Any] = {}
        self.remarks: dict[str, str] = {}

    def run(self) -> Served:
        """Raises LeftOut."""
        self._explain()
        self._refuse_other_modes()
        address = self._address()
        price = self._stated_price()
        provider, model = split_model(self.entry.model, _text(self.entry.params.get("custom_llm_provider")))
        if provider is None:
            raise LeftOut(f"nothing says who serves {self.entry.model!r}; write provider/model")
        try:
            seller = find_seller(provider, model, address, priced=price is not None)
        except ValueError as error:
            raise LeftOut(str(error)) from None
        region = self._region(seller) if address is None and seller.name == "bedrock" else None
        name = self.around.name(self.entry.group, seller.name)
        self.target |= {seller.kind: seller.name}
        self._said_model(seller)
        if address is not None:
            self._put_address(seller, address)
        elif region is not None:
            self.target["url"] = f"https://bedrock-runtime.{region}.amazonaws.com"
        self.target["model"] = seller.model
        self._put_key(seller, name)
        self._put_price(seller, price)
        self._put_facts()
        self.target["clearance"] = "public"
        self.remarks["clearance"] = "CHOOSE the highest data class it may see: public, internal, confidential or restricted."
        self._check()
        return Served(entry=self.entry, name=name, target=self.target, remarks=self.remarks)

    def _explain(self) -> None:
        """The keys of which nothing else is said below."""
        for field in self.entry.params:
            if field in PARAMS:
                self.fates.ignored((*self.params, field), PARAMS[field])
        for field in self.entry.info:
            if field in INFO:
                self.fates.ignored((*self.info, field), INFO[field])
        self.fates.mapped((*self.entry.at, "model_name"), f"workload {self.entry.group}")

    def _refuse_other_modes(self) -> None:
        mode = self.entry.info.get("mode")
        if mode not in (None, "chat"):
            raise LeftOut(f"mode is {mode if isinstance(mode, str) else 'no name'}, and only models for chat are taken over")
        if mode is None and _NO_CHAT.search(self.entry.model):
            raise LeftOut("its name is that of no model for chat, and only those are taken over; if it is one, say mode: chat")
        if mode is not None:
            self.fates.mapped((*self.info, "mode"), "models for chat are what is taken over")

    def _address(self) -> str | None:
        """Where it answers, if that is stated, without a slash behind it."""
        stated = self._resolved(self._address_field, "address")
        return None if stated is None else stated.rstrip("/")

    def _resolved(self, field: str, what: str) -> str | None:
        """What is stated there, or the variable that is named there holds now."""
        stated = _text(self.entry.params.get(field))
        if stated is None or not stated.startswith(_ENVIRONMENT):
            return stated
        variable = stated.removeprefix(_ENVIRONMENT)
        if value := self.around.environment.get(variable):
            return value
        raise LeftOut(f"its {what} is in the environment ({variable}), which is not set here; set it and import again")

    @property
    def _address_field(self) -> str:
        fields = ("api_base", "aws_bedrock_runtime_endpoint")
        return next((field for field in fields if self.entry.params.get(field)), "base_url")

    def _region(self, seller: Seller) -> str:
        """Where the model's name, the deployment or else the environment says that it is served, as LiteLLM looks for it."""
        stated, at = self._resolved("aws_region_name", "region"), (*self.params, "aws_region_name")
        usual = next(
            (self.around.environment[name] for name in ("AWS_REGION_NAME", "AWS_REGION") if name in self.around.environment), None
        )
        region = stated or seller.region or usual
        if region is None:
            raise LeftOut("nothing says its region; state aws_region_name")
        if stated is not None:
            self.fates.mapped(at, "url, the endpoint of that region")
        return region

    def _put_address(self, seller: Seller, address: str) -> None:
        at = (*self.params, self._address_field)
        if seller.kind == "provider" and address == PROVIDERS[seller.name].url:
            self.fates.mapped(at, "the provider's own address, which needs no url")
            return
        self.target["url"] = address.removesuffix("/v1") if seller.kind == "engine" else address
        if str(self.entry.params[self._address_field]).startswith(_ENVIRONMENT):
            self.fates.approximated(at, "url, with what the variable says now; it is not read again")
        else:
            self.fates.mapped(at, "url")

    def _said_model(self, seller: Seller) -> None:
        at = (*self.params, "model")
        if "/" not in self.entry.model:
            self.fates.approximated(at, f"{seller.kind}: {seller.name}, taken from the model's name")
        elif seller.differs is not None:
            self.fates.approximated(at, f"{seller.kind}: {seller.name}; {seller.differs}")
        else:
            self.fates.mapped(at, f"{seller.kind}: {seller.name}, and model")
        if "custom_llm_provider" in self.entry.params:
            self.fates.mapped((*self.params, "custom_llm_provider"), f"{seller.kind}: {seller.name}")
        if seller.differs is not None:
            self.remarks[seller.kind] = f"CHECK: {seller.differs}."

    def _put_key(self, seller: Seller, name: str) -> None:
        stated, at = _text(self.entry.params.get("api_key")), (*self.params, "api_key")
        usual = PROVIDERS[seller.name].key_env if seller.kind == "provider" else None
        if stated is not None and stated.startswith(_ENVIRONMENT):
            self.target["key"] = f"env:{stated.removeprefix(_ENVIRONMENT)}"
            self.fates.mapped(at, f"key: {self.target['key']}")
        elif seller.kind == "engine" and (stated or "").lower() in _NO_KEYS:
            if stated is not None:
                self.fates.ignored(at, "an engine of your own that asks for no key needs none")
        elif stated is not None or "litellm_credential_name" in self.entry.params:
            secret = stated or f"credential {self.entry.params['litellm_credential_name']}"
            fresh = f"FREEHOLD_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}_KEY"
            variable = self.around.literals.setdefault(secret, fresh)
            self.target["key"] = f"env:{variable}"
            self.remarks["key"] = f"The key itself stood in LiteLLM's file. Set {variable} to it, and take it out of there."
            where = at if stated is not None else (*self.params, "litellm_credential_name")
            self.fates.approximated(where, f"key: env:{variable}; the key itself is copied nowhere, so set that variable to it")
        elif auth := self._signed_in(seller):
            self.target["auth"] = auth
        elif usual is not None:
            self.target["key"] = f"env:{usual}"
            self.remarks["key"] = "LiteLLM's file names none; this is the variable that the provider's own SDK reads."

    def _signed_in(self, seller: Seller) -> str | None:
        """How the machine is known there without a key; what the file says of it is found where the cloud's own library looks."""
        fields = {"bedrock": _AWS, "azure": _ENTRA}.get(seller.name, ())
        said = [field for field in fields if field in self.entry.params]
        if not (said or seller.name == "bedrock"):
            return None
        auth = "aws" if seller.name == "bedrock" else "entra"
        whose = "AWS's SDK" if auth == "aws" else "Microsoft's library"
        for field in said:
            self.fates.approximated((*self.params, field), f"auth: {auth}, with what {whose} finds; put this where it looks")
        self.remarks["auth"] = (
            f"CHECK: credentials are those that {whose} finds: in the environment, a profile, the machine's role."
        )
        return auth

    def _stated_price(self) -> dict[str, Decimal] | None:
        costs = {
            field: value for place in (self.entry.params, self.entry.info) for field, value in place.items() if field in PER_TOKEN
        }
        try:
            return stated_price(costs)
        except ValueError as error:
            raise LeftOut(str(error)) from None

    def _put_price(self, seller: Seller, price: dict[str, Decimal] | None) -> None:
        at: list[Path] = [
            (*place, field) for place in (self.params, self.info) for field in PER_TOKEN if self._stands(place, field)
        ]
        if seller.kind == "engine":
            for path in at:
                self.fates.ignored(path, "an engine of your own has no token price; cost: states the machine it runs on")
            return
        if price is not None:
            self.target["price"] = {**price, "source": "LiteLLM's configuration"}
            for path in at:
                self.fates.mapped(path, "price, in dollars per million tokens")
            return
        for path in at:
            self.fates.ignored(path, "a price is both of input and output, and not zero; the price catalogue is asked instead")
        base = _text(self.entry.info.get("base_model"))
        models = tuple(m for m in (None if base is None else base.rpartition("/")[2], seller.model) if m is not None)
        if like(self.around.book, seller.name, (seller.model,), self.around.on) is not None:
            return
        found = like(self.around.book, seller.name, models, self.around.on)
        if found is None and seller.name == "azure":
            found = like(self.around.book, "openai", models, self.around.on)
        if found is None:
            raise LeftOut(
                f"no price is known for {seller.name}/{seller.model}; "
                "state input_cost_per_token and output_cost_per_token in its model_info"
            )
        self.target["price"] = {"like": found}
        self.remarks["price"] = f"CHECK: the list price of {found} stands for it; put the numbers of your contract here."
        if base is not None:
            self.fates.approximated((*self.info, "base_model"), f"price: {{like: {found}}}; check it against your bill")

    def _put_facts(self) -> None:
        """Region, limits of length and number, abilities."""
        if region := _text(self.entry.params.get("region_name")):
            self.target["regions"] = [region]
            self.fates.approximated((*self.params, "region_name"), "regions, by your word: where all of its processing happens")
        concurrency = self.entry.params.get("max_parallel_requests")
        if isinstance(concurrency, int) and concurrency > 0:
            self.target["concurrency"] = concurrency
            self.fates.approximated((*self.params, "max_parallel_requests"), "concurrency: beyond it the target counts as full")
        longest, answer = (self.entry.info.get(field) for field in ("max_input_tokens", "max_output_tokens"))
        if isinstance(answer, int) and answer > 0:
            self.target["max_output_tokens"] = answer
            self.fates.mapped((*self.info, "max_output_tokens"), "max_output_tokens")
            if isinstance(longest, int) and longest > 0:
                self.target["context_tokens"] = longest + answer
                self.fates.approximated((*self.info, "max_input_tokens"), "context_tokens: prompt and answer together")
        abilities = {
            ours: self.entry.info[theirs]
            for theirs, ours in _CAPABILITIES.items()
            if isinstance(self.entry.info.get(theirs), bool)
        }
        if abilities:
            self.target["capabilities"] = abilities
        for theirs, ours in _CAPABILITIES.items():
            if ours in abilities and theirs in self.entry.info:
                self.fates.mapped((*self.info, theirs), f"capabilities: {ours}")

    def _check(self) -> None:
        """What the settings themselves would refuse, such as a provider that needs an address, leaves it out and says so."""
        try:
            TargetSettings.model_validate(self.target)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(step) for step in first["loc"] if not str(step).startswith("function-"))
            raise LeftOut(f"{field}: {first['msg']}".removeprefix(": ").replace("Value error, ", "")) from None

    def _stands(self, place: Path, field: str) -> bool:
        return field in (self.entry.params if place is self.params else self.entry.info)


def convert(entry: Entry, fates: Fates, around: Around) -> Served:
    """The target that it becomes. Raises LeftOut; then nothing is said of its keys but that."""
    own = Fates()
    try:
        served = _Making(entry, own, around).run()
    except LeftOut as reason:
        fates.leave_out(entry.at, f"left out: {reason}")
        raise
    fates.take(own, entry.at)
    return served


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None

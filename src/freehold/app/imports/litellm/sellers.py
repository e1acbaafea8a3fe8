"""Which place of ours a LiteLLM model is served at: the tables of providers and engines are asked, not repeated."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from freehold.serve.engines import ENGINES
from freehold.serve.providers import PROVIDERS

# LiteLLM's names that differ from ours; the first that exists here is taken.
_OUR_NAMES: Mapping[str, tuple[str, ...]] = {
    "bedrock_converse": ("bedrock",),
    "custom_openai": ("openai_compatible",),
    "dashscope": ("qwen",),
    "fireworks_ai": ("fireworks",),
    "gemini": ("gemini", "google"),
    "hosted_vllm": ("vllm",),
    "litellm_proxy": ("openai_compatible",),
    "llamafile": ("llamacpp",),
    "ollama_chat": ("ollama",),
    "openai_like": ("openai_compatible",),
    "together_ai": ("together",),
    "vertex_ai": ("vertex_ai", "vertex"),
}
# What LiteLLM takes a model for that has no provider in front, where its name alone says whose it is.
_FAMILIES = ((re.compile(r"gpt-|chatgpt-|o\d"), "openai"), (re.compile(r"claude-"), "anthropic"))
# How LiteLLM writes a model of Bedrock's: which of its APIs, and the region, may stand before the id.
_BEDROCK = re.compile(r"(?:(?:converse|invoke)/)?(?:([a-z]{2}(?:-[a-z]+)+-[0-9])/)?(.+)")
_OWN_NAMES = (".local", ".internal", ".lan", ".svc", ".localhost", ".home.arpa")


class Seller(msgspec.Struct, frozen=True):
    """Who serves it, and the model's name there. `differs`: what a person has to know about the choice. `region`: of the cloud
    that serves it, where its name says one."""

    kind: Literal["provider", "engine"]
    name: str
    model: str
    differs: str | None = None
    region: str | None = None


def split_model(model: str, stated: str | None = None) -> tuple[str | None, str]:
    """LiteLLM's provider and the model's name at it; None where nothing says who. `stated`: its custom_llm_provider."""
    if stated is not None:
        return stated, model.removeprefix(f"{stated}/")
    prefix, slash, rest = model.partition("/")
    if slash:
        return prefix, rest
    return next((provider for family, provider in _FAMILIES if family.match(model)), None), model


def find_seller(provider: str, model: str, api_base: str | None, *, priced: bool) -> Seller:
    """Where it goes. Raises ValueError saying what is missing here.

    `priced`: a token price above zero is stated, which nobody does for a machine of their own.
    """
    if provider == "openai" and api_base is not None and not f".{_host(api_base)}".endswith(".openai.com"):
        if not priced and is_private(api_base) and "vllm" in ENGINES:
            doubt = (
                "taken for a vLLM of your own, since api_base is a private address; if it is not, say which engine or provider"
            )
            return Seller("engine", "vllm", model, doubt)
        return Seller("provider", "openai_compatible", model, "taken for a rented API, since nothing says that it is your own")
    for name in _OUR_NAMES.get(provider, (provider,)):
        if name in ENGINES:
            return Seller("engine", name, model, "taken for an engine of your own; if others run it, make it a provider")
        if name in PROVIDERS:
            found = _BEDROCK.fullmatch(model) if name == "bedrock" else None
            return Seller("provider", name, found[2], region=found[1]) if found else Seller("provider", name, model)
    raise ValueError(
        f"there is no provider or engine for {provider!r} yet; there are {', '.join(sorted({*PROVIDERS, *ENGINES}))}"
    )


def is_private(url: str) -> bool:
    """Whether the address can only be on this machine or network; a public name may be anybody's."""
    host = _host(url)
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(_OWN_NAMES))


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""

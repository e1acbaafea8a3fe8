"""A hosted API, as the table of providers has it."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from freehold.core.ports import Codec, Signer
from freehold.core.target import Target

SignIn: TypeAlias = Callable[[Target], Signer]


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """`url`: API root; None where every customer has their own. `key_env`: the environment variable its SDK reads.

    `speaks` makes what speaks to it. `company`: who runs it and under whose name its prices are filed, where that is not the
    provider's own name. `queries`: whether its URL may end in an API version (`?api-version=...`). `sign_ins`: by the name that
    settings have for each, the ways to be known there without a key; one raises ValueError, saying what it lacks, at the start.
    `token_hosts`: by way, how the vendor's own hosts end, where a token would open doors for whoever else was sent it.
    """

    url: str | None
    speaks: Callable[[], Codec]
    key_env: str | None = None
    company: str | None = None
    queries: bool = False
    sign_ins: Mapping[str, SignIn] = {}
    token_hosts: Mapping[str, tuple[str, ...]] = {}

    def codec(self) -> Codec:
        """What speaks to it."""
        return self.speaks()

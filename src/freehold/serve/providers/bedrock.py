"""Amazon Bedrock, by Converse: models of every maker there, at the endpoint of a region.

`url` is that endpoint (`https://bedrock-runtime.REGION.amazonaws.com`, or a VPC's), `model` an id, a profile's id or an ARN.
A `key` is a Bedrock API key; with `auth: aws` calls are signed (Signature Version 4) with the credentials that AWS's own SDK
finds: environment, profile, container or instance role. Prices are filed under aws.
"""

import asyncio
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from freehold.core.ports import Codec, HttpCall, Signer
from freehold.core.target import Target
from freehold.serve.providers.provider import Provider
from freehold.serve.providers.signing import Kept, Lease
from freehold.wire.bedrock_converse import ConverseComposer, verdict
from freehold.wire.event_frames import FrameSplitter

_SERVICE = "bedrock"
_REGION = re.compile(r"(?:^|[.])bedrock-runtime(?:-fips)?[.]([a-z]{2}[a-z0-9-]*-[0-9])[.]")
# The SDK renews credentials with less than ten minutes left before it hands them out; new ones in a file are seen in a minute.
_RENEW_S, _GOOD_S = 60.0, 540.0
_LARGE_BYTES = 1024 * 1024  # hashing that takes about a millisecond, which others should not wait for


def _codec() -> Codec:
    return Codec(natives={}, composer=ConverseComposer(), verdict=verdict, splitter=FrameSplitter)


def sign_in(target: Target) -> Signer:
    """Signs calls to that target. Raises ValueError where the SDK or the region is missing."""
    sdk = _sdk()
    region = _region(target.url, sdk)
    chain = _Chain()
    credentials = Kept("AWS credentials", chain.get)

    async def sign(call: HttpCall) -> HttpCall:
        frozen = await credentials.value()
        if len(call.body) > _LARGE_BYTES:
            return await asyncio.to_thread(_signed, call, frozen, region)
        return _signed(call, frozen, region)

    return sign


def _region(url: str, sdk: Any) -> str:
    """The one that the address names, else that of the environment or of the profile."""
    if found := _REGION.search(urlsplit(url).hostname or ""):
        return found[1]
    try:
        named: str | None = os.environ.get("AWS_REGION") or sdk.session.Session().get_config_variable("region")
    except sdk.exceptions.BotoCoreError as error:
        raise ValueError(f"AWS's configuration cannot be read ({type(error).__name__})") from None
    if not named:
        raise ValueError("its url names no region; use https://bedrock-runtime.REGION.amazonaws.com, or set AWS_REGION")
    return named


def _signed(call: HttpCall, credentials: Any, region: str) -> HttpCall:
    """The call with what proves that it is ours and came unchanged: of its headers only the content type is part of it, since
    what is between us and AWS may add to the others."""
    sdk = _sdk()
    kind = {"content-type": call.headers["content-type"]}
    request = sdk.awsrequest.AWSRequest(method=call.method, url=call.url, data=call.body, headers=kind)
    sdk.auth.SigV4Auth(credentials, _SERVICE, region).add_auth(request)
    proof = {name.lower(): str(value) for name, value in request.headers.items()}
    return msgspec.structs.replace(call, headers={**call.headers, **proof})


class _Chain:
    """AWS's own chain of places that may hold credentials. Those that the SDK cannot renew are looked for anew each time."""

    def __init__(self) -> None:
        self._renewable: Any = None

    def get(self) -> Lease[Any]:
        """Blocks. Raises what the SDK raises, LookupError where there are none."""
        sdk = _sdk()
        found = self._renewable or sdk.session.Session().get_credentials()
        if found is None:
            raise LookupError
        self._renewable = found if isinstance(found, sdk.credentials.RefreshableCredentials) else None
        return Lease(found.get_frozen_credentials(), _RENEW_S, _GOOD_S)


def _sdk() -> Any:
    """AWS's own library, as far as it signs. Raises ValueError where it is not installed."""
    try:
        import botocore.auth  # noqa: PLC0415  an optional extra
        import botocore.awsrequest  # noqa: PLC0415
        import botocore.credentials  # noqa: PLC0415
        import botocore.exceptions  # noqa: PLC0415
        import botocore.session  # noqa: PLC0415
    except ImportError:
        raise ValueError("signing for AWS needs the extra: pip install 'freehold[bedrock]'") from None
    return botocore


PROVIDERS: Mapping[str, Provider] = {
    "bedrock": Provider(
        url=None, key_env="AWS_BEARER_TOKEN_BEDROCK", speaks=_codec, company="aws", sign_ins={"aws": sign_in}
    )
}  # fmt: skip

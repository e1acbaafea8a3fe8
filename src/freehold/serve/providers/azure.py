"""Azure OpenAI: OpenAI's dialects at an address of the customer's, with the key in a header of its own.

`url` is the resource (`https://NAME.openai.azure.com`), `model` the deployment there: the path names the deployment and the query
the API's version, which the URL may state (`?api-version=...`). A URL that ends in `/openai/v1` is Microsoft's newer API, which
takes the deployment as the model and needs no version. With `auth: entra` there is no key: calls bear a token of what the machine
is signed in to Microsoft Entra as (a managed or workload identity, a service principal, a person at the command line).
"""

import os
import time
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import msgspec

from freehold.core.ports import Codec, HttpCall, Signer
from freehold.core.target import Target
from freehold.serve.codecs import adapted, openai_codec
from freehold.serve.providers.provider import Provider
from freehold.serve.providers.signing import Kept, Lease
from freehold.wire.openai_chat import OPENAI

VERSION = "2024-10-21"  # the dated one that is generally available, as of 2026-11-21
_KEY_HEADER = msgspec.structs.replace(OPENAI, key_header="api-key")
# What a token is for and who gives it, by the cloud that the resource is in: those of the US government and of China; the public
# one is what Microsoft's library assumes.
_CLOUDS = {".azure.us": ("us", "login.microsoftonline.us"), ".azure.cn": ("cn", "login.chinacloudapi.cn")}
# What else ends in azure.com may be anybody's machine.
_HOSTS = tuple(
    f".{name}.azure.{cloud}" for name in ("openai", "cognitiveservices", "services.ai") for cloud in ("com", "us", "cn")
)
_RENEW_BEFORE_S, _LAST_S = 300.0, 30.0


def deployment(target: Target) -> Target:
    """The same target with the URL of its deployment."""
    root, mark, query = target.url.partition("?")
    root = root.rstrip("/")
    if root.endswith("/v1"):
        return target
    if "/openai/deployments/" not in root:
        root = f"{root.removesuffix('/openai')}/openai/deployments/{quote(target.model, safe='')}"
    return msgspec.structs.replace(target, url=f"{root}?{query if mark else f'api-version={VERSION}'}")


def _codec() -> Codec:
    return adapted(openai_codec("provider", ("openai_completions", "openai_embeddings"), quirks=_KEY_HEADER), at=deployment)


def sign_in(target: Target) -> Signer:
    """Puts the token on calls to that target. Raises ValueError where Microsoft's library is missing."""
    try:
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415  an optional extra
    except ImportError:
        raise ValueError("signing in to Microsoft Entra needs the extra: pip install 'freehold[azure]'") from None
    host = urlsplit(target.url).hostname or ""
    cloud, authority = next((cloud for ending, cloud in _CLOUDS.items() if host.endswith(ending)), ("com", None))
    scope = f"https://cognitiveservices.azure.{cloud}/.default"
    identity = DefaultAzureCredential(authority=os.environ.get("AZURE_AUTHORITY_HOST") or authority)

    def get() -> Lease[str]:
        token = identity.get_token(scope)
        left = token.expires_on - time.time()
        return Lease(token.token, left - _RENEW_BEFORE_S, left - _LAST_S)

    credentials = Kept("token of Microsoft Entra", get)

    async def sign(call: HttpCall) -> HttpCall:
        bearer = {"authorization": f"Bearer {await credentials.value()}"}
        return msgspec.structs.replace(call, headers={**call.headers, **bearer})

    return sign


PROVIDERS: Mapping[str, Provider] = {
    "azure": Provider(
        url=None, key_env="AZURE_OPENAI_API_KEY", speaks=_codec, queries=True, sign_ins={"entra": sign_in},
        token_hosts={"entra": _HOSTS},
    )
}  # fmt: skip

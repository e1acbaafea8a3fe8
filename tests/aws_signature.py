"""What AWS does with a signed request when it arrives: sign the same again with the secret it knows, and compare."""

import re
from collections.abc import Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/[0-9]{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request,"
    r" SignedHeaders=(?P<signed>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)


def signed_by(secrets: Mapping[str, str], request_line: str, headers: Mapping[str, str], body: bytes) -> tuple[str, str] | None:
    """(the access key, region/service) of a request as it came over the wire; None where its signature is not the one."""
    method, path, _ = request_line.split(" ")
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if found is None or found["key"] not in secrets:
        return None
    covered = {name: headers[name] for name in found["signed"].split(";")}
    again = AWSRequest(method=method, url=f"http://{headers['host']}{path}", data=body, headers=covered)
    again.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials(found["key"], secrets[found["key"]]), found["service"], found["region"])
    signature = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
    return (found["key"], f"{found['region']}/{found['service']}") if signature == found["signature"] else None

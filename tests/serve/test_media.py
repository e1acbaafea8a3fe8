"""Which targets may be shown a request's media URLs."""

from typing import Any

import msgspec
import pytest

from freehold.core.data import DataClass
from freehold.core.target import Target, Workload
from freehold.serve.gateway.media import sift
from freehold.wire import openai_chat

A = Target(name="a", kind="owned", codec="vllm", url="http://127.0.0.1:9", model="m", clearance=DataClass.internal)
B = msgspec.structs.replace(A, name="b")
W = Workload(name="w", targets=("a", "b"))


def left(urls: list[str], allowed: dict[str, set[str]]) -> list[str]:
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    body = {"model": "w", "messages": [{"role": "user", "content": parts}]}
    request = openai_chat.read(msgspec.json.encode(body))
    targets, removed = sift(request, W, [A, B], {name: frozenset(hosts) for name, hosts in allowed.items()})
    assert {reason.target for reason in removed} == {"a", "b"} - {target.name for target in targets}
    assert {reason.constraint for reason in removed} <= {"egress"}
    assert all("remote_media" in reason.detail and "example" not in reason.detail for reason in removed), "hosts are content"
    return [target.name for target in targets]


@pytest.mark.parametrize(
    ("urls", "allowed", "names"),
    [
        (["https://x.example/1"], {}, []),
        (["https://x.example/1"], {"a": {"x.example"}}, ["a"]),
        (["https://x.example/1"], {"w": {"x.example"}}, ["a", "b"]),
        (["https://x.example/1", "https://y.example/"], {"w": {"x.example"}, "b": {"y.example"}}, ["b"]),
        (["https://x.example/1", "https://y.example/"], {"a": {"x.example"}, "b": {"y.example"}}, []),
        (["http://x.example/1"], {"w": {"x.example"}}, []),
        (["https://sub.x.example/1"], {"w": {"x.example"}}, []),
        (["data:image/png;base64,AA"], {}, ["a", "b"]),
    ],
)
def test_every_host_must_be_listed(urls: list[str], allowed: dict[str, set[str]], names: list[str]) -> None:
    assert left(urls, allowed) == names

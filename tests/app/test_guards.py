"""What the configuration may say about ways out and kept content, and what is refused by name."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from certificates import Authority

from freehold.app import config_file
from freehold.app.guards import open_content
from freehold.app.policy import build_policy
from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.serve.gateway.policy import Keep, Policy
from freehold.serve.transport.ways import Way

BASE = f"""\
version: 1
keys:
  - {{name: app, sha256: {"a" * 64}}}
targets:
  box:
    engine: vllm
    url: https://box.internal:8000
    model: m
    clearance: restricted
    %s
workloads:
  triage:
    targets: [box]
    %s
"""


def policy_of(
    folder: Path, target: str = "lab: true", workload: str = "spill: false", more: str = "", *, url: str = "",
    clearance: str = "restricted",
) -> Policy:  # fmt: skip
    path = folder / "freehold.yaml"
    text = (BASE % (target, workload) + more).replace("clearance: restricted", f"clearance: {clearance}")
    path.write_text(text.replace("https://box.internal:8000", url or "https://box.internal:8000"), encoding="utf-8")
    return build_policy(config_file.load(path), datetime.now(UTC).date())


@pytest.mark.parametrize("clearance", ["confidential", "restricted"])
@pytest.mark.parametrize("url", ["http://10.0.0.5:8000", "http://192.168.1.4", "http://box:8000", "http://127.0.0.1.nip.io:8000"])
def test_plain_http_off_loopback_is_refused_by_name(tmp_path: Path, url: str, clearance: str) -> None:
    where = r"freehold.yaml:7: targets.box.url: plain http to \S+, and workload 'triage' sends public data there, which a key, a "
    raised = rf"header or its content may raise to {clearance}, for which the target is cleared: use https"
    with pytest.raises(BadSettings, match=where + raised):
        policy_of(tmp_path, url=url, clearance=clearance)


def test_the_floor_that_would_cross_the_wire_is_named(tmp_path: Path) -> None:
    """A label may raise it too."""
    for floor in ("data: confidential", "labels: [own]"):
        with pytest.raises(
            BadSettings, match=r"7: .*plain http to box, and workload 'triage' sends confidential data there: use h"
        ):
            policy_of(tmp_path, workload=floor, more="labels: {own: {needs: [], data: confidential}}", url="http://box:8000")


SPARE = "lab: true\n  spare: {engine: vllm, url: 'https://spare', model: m, clearance: restricted}"


def beside(folder: Path, workload: str, clearance: str, listed: str = "spare") -> Policy:
    """The policy of a file in which the only workload lists another target than the one that is reached by plain http."""
    text = (BASE % (SPARE, workload)).replace("targets: [box]", f"targets: [{listed}]")
    text = text.replace("https://box.internal:8000", "http://box:8000").replace("restricted", clearance, 1)
    (folder / "freehold.yaml").write_text(text, encoding="utf-8")
    return build_policy(config_file.load(folder / "freehold.yaml"), datetime.now(UTC).date())


def test_a_target_that_no_data_can_reach_may_be_anywhere(tmp_path: Path) -> None:
    """Each workload removes it from every request; one that might send something is enough."""
    assert beside(tmp_path, "data: restricted", "confidential").targets["box"].url == "http://box:8000"
    with pytest.raises(BadSettings, match="plain http to box, and workload 'triage' sends public data there, which"):
        beside(tmp_path, "spill: false", "confidential", "spare, box")


def test_a_candidate_or_a_judge_that_no_workload_lists_is_not_asked_in_the_clear(tmp_path: Path) -> None:
    """A migration sends a workload's requests to a target that it does not list, and so does whoever has them judged."""
    with pytest.raises(BadSettings) as refused:
        beside(tmp_path, "data: confidential", "restricted")
    assert refused.value.message == (
        f"{tmp_path / 'freehold.yaml'}:7: targets.box.url: plain http to box, and workload 'triage' may send confidential data "
        "there by a migration or to a judge: use https (with ca: for a certificate of your own), or loopback, or clear it for "
        "internal"
    )
    with pytest.raises(BadSettings, match="may send public data there by a migration or to a judge, which a key, a header or"):
        beside(tmp_path, "spill: false", "confidential")
    assert beside(tmp_path, "data: confidential", "internal").targets["box"].url == "http://box:8000", "the way out"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000", "https://10.0.0.5:8000"])
def test_loopback_and_tls_are_good(tmp_path: Path, url: str) -> None:
    assert policy_of(tmp_path, url=url).targets["box"].url == url


@pytest.mark.parametrize("clearance", ["public", "internal"])
def test_what_is_not_confidential_may_go_in_the_clear(tmp_path: Path, clearance: str) -> None:
    assert policy_of(tmp_path, url="http://10.0.0.5:8000", clearance=clearance).targets["box"].clearance.name == clearance


@pytest.mark.parametrize(
    ("target", "url", "said"),
    [
        ("proxy: http://proxy.example:3128", "http://127.0.0.1:8000", "10: targets.box.proxy: a proxy is for https to another"),
        ("proxy: http://proxy.example:3128", "https://127.0.0.1:8000", "10: targets.box.proxy: a proxy is for https to another"),
        ("proxy: proxy.example", "", "10: targets.box.proxy: use a URL with a port and no credentials"),
        ("proxy: http://me:pw@proxy.example:1", "", "10: targets.box.proxy: use a URL with a port and no credentials"),
        ("ca: none.pem", "", "10: targets.box.ca: cannot use none.pem: No such file or directory"),
        ("ca: freehold.yaml", "", "10: targets.box.ca: cannot use freehold.yaml: it holds no certificates in PEM"),
        ("ca: x.pem", "http://127.0.0.1:8000", "10: targets.box.ca: certificates are for https; the url is http"),
        ("media_hosts: ['*.example.org']", "", "10: targets.box.media_hosts.0: '*.example.org' is no host; write its exact name"),
        ("media_hosts: [https://cdn.example.org]", "", "10: targets.box.media_hosts.0: 'https://cdn.example.org' is no host"),
        ("media_hosts: [10.0.0.5]", "", "10: targets.box.media_hosts.0: '10.0.0.5' is no host"),
        ("egress: {remote_media: public}", "", "10: targets.box.egress: remote_media is allowed and no host is; list"),
        ("lab: true", "https://box.internal\\x", "7: targets.box.url: a backslash is read in more than one way"),
    ],
)  # fmt: skip
def test_mistakes_on_the_way_out(tmp_path: Path, target: str, url: str, said: str) -> None:
    with pytest.raises(BadSettings) as refused:
        policy_of(tmp_path, target, url=url)
    assert refused.value.message.startswith(f"{tmp_path / 'freehold.yaml'}:{said}")


def test_the_way_to_each_origin(tmp_path: Path) -> None:
    pem = Authority(tmp_path).pem
    (tmp_path / "ca.pem").write_text(pem, encoding="ascii")
    policy = policy_of(tmp_path, "ca: ca.pem\n    proxy: http://proxy.example:3128")
    assert policy.ways == {"https://box.internal:8000": Way(pem, "http://proxy.example:3128")}
    twin = "\n  twin: {engine: vllm, url: 'https://box.internal:8000/v1', model: n, clearance: public}"
    with pytest.raises(BadSettings, match=r"targets\.twin: another target at https://box\.internal:8000 has another ca or proxy"):
        policy_of(tmp_path, "ca: ca.pem" + twin)


def test_media_hosts_by_target_and_workload(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, "egress: {remote_media: public}", "media_hosts: [CDN.example.org]")
    assert policy.media_hosts == {"triage": frozenset({"cdn.example.org"})}


CONTENT = "content: {key: 'file:%s/key'}\n"


def test_what_is_kept(tmp_path: Path) -> None:
    keep = "keep_content: {ttl_days: 2, sample: 0.5}"
    with pytest.raises(BadSettings, match=r"workloads\.triage\.keep_content: there is no content: section"):
        policy_of(tmp_path, workload=keep)
    policy = policy_of(tmp_path, workload=keep, more=CONTENT % tmp_path)
    assert policy.keep == {"triage": Keep(172_800.0, 0.5, DataClass.confidential)}, "of restricted data nothing, unless stated"
    stated = policy_of(tmp_path, workload="keep_content: {ttl_days: 2, up_to: restricted}", more=CONTENT % tmp_path)
    assert stated.keep["triage"].up_to == DataClass.restricted


@pytest.mark.parametrize("keep", ["{}", "{ttl_days: 0}", "{ttl_days: 1, sample: 0}", "{ttl_days: 1, sample: 1.1}", "true"])
def test_mistakes_about_keeping(tmp_path: Path, keep: str) -> None:
    with pytest.raises(BadSettings, match=r"workloads\.triage\.keep_content"):
        policy_of(tmp_path, workload=f"keep_content: {keep}", more=CONTENT % tmp_path)


@pytest.mark.parametrize("key", ["", "c2hvcnQ=", "not base64 at all", "A" * 64])
def test_a_key_that_is_none(tmp_path: Path, key: str) -> None:
    policy_of(tmp_path, more=CONTENT % tmp_path)
    (tmp_path / "key").write_text(key, encoding="ascii")
    with pytest.raises(BadSettings, match=r"freehold\.yaml:15: content\.key: ") as refused:
        open_content(config_file.load(tmp_path / "freehold.yaml"))
    assert key == "" or key not in refused.value.message
    assert not (tmp_path / "content.db").exists()


def test_without_the_section_there_is_no_store(tmp_path: Path) -> None:
    policy_of(tmp_path)
    assert open_content(config_file.load(tmp_path / "freehold.yaml")) is None

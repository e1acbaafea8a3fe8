"""`cost:` in freehold.yaml: the price it stands for, and the line that refuses what no table knows."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from freehold.app import config_file
from freehold.app.cli import main
from freehold.app.policy import build_policy
from freehold.catalog.facts import load_facts
from freehold.core.errors import BadSettings
from freehold.core.money import nanousd
from freehold.core.target import Hardware

CONFIG = """\
version: 1
keys:
  - {name: app, sha256: SHA}
targets:
  box:
    engine: vllm
    url: http://127.0.0.1:9
    model: m
    clearance: restricted
    cost:
COST
workloads:
  w: {targets: [box]}
"""


def write(folder: Path, **cost: object) -> Path:
    path = folder / "freehold.yaml"
    lines = "\n".join(f"      {name}: {value}" for name, value in cost.items())
    path.write_text(CONFIG.replace("COST", lines).replace("SHA", "a" * 64), encoding="utf-8")
    return path


def hired(folder: Path, **cost: object) -> Hardware:
    paid = build_policy(config_file.load(write(folder, **cost)), date(2026, 11, 21)).targets["box"].hardware
    assert paid is not None
    return paid


def test_the_cheapest_offer_with_its_source_and_date(tmp_path: Path) -> None:
    paid = hired(tmp_path, gpu="L40S")
    offers = [o for o in load_facts().offers("L40S", "aws") if o.gpu_count == 1 and o.on_demand_usd_h is not None]
    cheapest = min(offers, key=lambda o: o.on_demand_usd_h or 0)
    assert paid.price_nanousd_h == nanousd(cheapest.on_demand_usd_h or 0)
    assert (paid.count, paid.provider, paid.price_date) == (1, "aws", cheapest.price_date)
    assert cheapest.instance in paid.price_source
    assert cheapest.source in paid.price_source


def test_the_whole_machine_is_paid(tmp_path: Path) -> None:
    paid = hired(tmp_path, gpu="B200", count=2)
    (offer,) = load_facts().offers("B200", "aws")
    assert (paid.count, paid.price_nanousd_h) == (offer.gpu_count, nanousd(offer.on_demand_usd_h or 0)), "none smaller is listed"


def test_a_stated_price_at_any_provider(tmp_path: Path) -> None:
    paid = hired(tmp_path, gpu="L40S", count=2, provider="our-cellar", plan="reserved_3y", usd_per_hour=0.37)
    assert paid == Hardware(
        gpu="L40S", count=2, provider="our-cellar", plan="reserved_3y", price_nanousd_h=nanousd(Decimal("0.37")),
        price_source="stated in freehold.yaml", price_date="undated",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        ({"gpu": "L40Z"}, ":11: targets.box.cost.gpu: unknown GPU 'L40Z'; known: L40"),
        ({"gpu": "L40Z", "usd_per_hour": 1}, ":11: targets.box.cost.gpu: unknown GPU 'L40Z'"),
        ({"gpu": "L40S", "provider": "awz"}, ":12: targets.box.cost.provider: unknown GPU provider 'awz'; known: aws"),
        ({"gpu": "L40S", "plan": "spot"}, ":10: targets.box.cost: no spot price of 1 x L40S is listed at aws; state "
                                          "usd_per_hour, or name a provider that lists one: vast.ai, verda"),
        ({"gpu": "L40S", "count": 64, "provider": "aws", "plan": "spot"}, ":10: targets.box.cost: no spot price of 64 x L40S"),
        ({"gpu": "L40S", "usd_per_hour": -1}, ":12: targets.box.cost.usd_per_hour: Input should be greater than or equal to 0"),
        ({"gpu": "L40S", "usd_per_hour": ".nan"}, ":12: targets.box.cost.usd_per_hour: "),
        ({"gpu": "L40S", "usd_per_hour": 1e9}, ":12: targets.box.cost.usd_per_hour: Input should be less than or equal to"),
    ],
)  # fmt: skip
def test_what_no_table_knows_is_refused_with_its_line(
    cost: dict[str, object], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, **cost)
    with pytest.raises(BadSettings) as refused:
        build_policy(config_file.load(path), date(2026, 11, 21))
    assert refused.value.message.startswith(f"{path}{said}")
    with pytest.raises(SystemExit) as ended:
        main(["check", "-c", str(path)])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"freehold: {refused.value.message}\n"

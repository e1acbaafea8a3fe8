"""Lines of a FOCUS export against what the standard asks of them: columns, formats, products, and splits that add up."""

import datetime as dt
import json
import re
from decimal import Decimal
from fractions import Fraction
from itertools import groupby

import msgspec
import pytest
from bill_ledger import BOX, CARD, HOUR, NOON
from hypothesis import given
from hypothesis import strategies as st

from freehold.rules.allocation import HourUse, MachineHour, allocate
from freehold.rules.charges import Billed, ImportedUse, charges
from freehold.serve.sinks.focus import COLUMNS, Line, cells, exact, imported_line, machine_lines, rented_line

# Feature level Mandatory in the Cost and Usage dataset; the second is asked for in 1.3 only.
MANDATORY = """BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart ChargeCategory
ChargeClass ChargeDescription ChargePeriodEnd ChargePeriodStart ContractedCost EffectiveCost InvoiceIssuerName ListCost
PricingQuantity PricingUnit ProviderName PublisherName ServiceCategory ServiceName""".split()
MANDATORY_1_3 = ["HostProviderName", "ServiceProviderName"]
NEVER_NULL = {*MANDATORY, "ConsumedQuantity", "ConsumedUnit", "PricingCategory", "SkuId", "SkuMeter"} - {"ChargeClass"}
DECIMALS = (
    "BilledCost ContractedCost EffectiveCost ListCost PricingQuantity ConsumedQuantity ListUnitPrice ContractedUnitPrice".split()
)
TIMES = "BillingPeriodStart BillingPeriodEnd ChargePeriodStart ChargePeriodEnd".split()
RENTED = Billed(
    NOON, "api", "org/m@0123abc", "triage", "app", False, "provider", (300, 33, 0, 41, 7, 0, 0, 5, 3), 1_300_001, "c1", CARD
)
USE = ImportedUse(NOON, NOON + HOUR, "openai", "gpt-4o", "old", None, 3, 120, 20, 10, 275_000)


def hour_of(up_us: int = 3_600_000_000, cost_nanousd: int = BOX.price_nanousd_h) -> MachineHour:
    return MachineHour(hour=NOON, machine=BOX, up_us=up_us, slot_us=4 * up_us, cost_nanousd=cost_nanousd)


def use_of(workload: str, key: str, busy_us: int) -> HourUse:
    return HourUse(NOON, "box", BOX.model, workload, key, 2, 100, 50, busy_us)


def split(hour: MachineHour, *uses: HourUse) -> list[Line]:
    return list(machine_lines(hour, allocate([hour], uses), "acme"))


def everything() -> list[Line]:
    used = use_of("triage", "app", 1_000_000)
    return [
        *(rented_line(charge, "acme") for charge in charges([RENTED])),
        *(rented_line(charge, "acme") for charge in charges([msgspec.structs.replace(RENTED, price=None, price_id=None)])),
        *split(hour_of(), used, use_of("triage", "web", 7)),
        *split(hour_of()),
        imported_line(USE, "acme"),
        imported_line(msgspec.structs.replace(USE, provider=None, model=None, requests=None, meter="output"), "acme"),
    ]


def test_the_columns_are_the_standards_then_ours_and_none_twice() -> None:
    for version, columns in COLUMNS.items():
        focus = [name for name in columns if not name.startswith("x_")]
        assert set(MANDATORY) <= set(focus)
        assert (set(MANDATORY_1_3) <= set(focus)) == (version == "1.3")
        assert list(columns[: len(focus)]) == sorted(focus)
        assert len(set(columns)) == len(columns)
        assert all(re.fullmatch(r"(x_)?([A-Z][a-z]+)+", name) and len(name) <= 50 for name in columns)
    ours = {name.removeprefix("x_") for name in COLUMNS["1.2"]} - {name.removeprefix("x_") for name in COLUMNS["1.3"]}
    assert ours == set()


@pytest.mark.parametrize("line", everything(), ids=lambda line: f"{line['x_Basis']}-{line['SkuMeter']}")
def test_a_line_has_what_must_not_be_null_in_the_standards_formats(line: Line) -> None:
    for version, columns in COLUMNS.items():
        row = dict(zip(columns, cells(line, version), strict=True))
        assert set(line) - set(columns) <= ({*MANDATORY_1_3} | {n for n in line if n.startswith("Allocated")})
        for name in (*NEVER_NULL, *(MANDATORY_1_3 if version == "1.3" else ())):
            assert row[name].strip(), name
        assert all(re.fullmatch(r"\d+\.\d+", row[name]) for name in DECIMALS if row[name])
        for name in TIMES:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row[name])
        assert row["ChargePeriodStart"] < row["ChargePeriodEnd"]
        assert row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["BillingPeriodEnd"]
        assert (row["ChargeCategory"], row["ChargeFrequency"], row["ChargeClass"]) == ("Usage", "Usage-Based", "")
        assert row["BillingCurrency"] == "USD"
        assert bool(row["SubAccountId"]) == bool(row["SubAccountType"])
        assert bool(row["ResourceId"]) == bool(row["ResourceType"])
        for name in ("Tags", "AllocatedTags", "x_AllocatedTags"):
            if row.get(name):
                assert all(isinstance(value, str) for value in json.loads(row[name]).values())


@pytest.mark.parametrize("line", everything(), ids=lambda line: f"{line['x_Basis']}-{line['SkuMeter']}")
def test_price_times_quantity_is_the_listed_cost_exactly(line: Line) -> None:
    assert line["BilledCost"] == line["EffectiveCost"]
    for price, cost in (("ListUnitPrice", "ListCost"), ("ContractedUnitPrice", "ContractedCost")):
        if price in line:
            assert Decimal(line[price]) * Decimal(line["PricingQuantity"]) == Decimal(line[cost])
            assert line["SkuPriceId"]
        else:  # then the standard asks for the billed amount
            assert line[cost] == line["BilledCost"]


def test_a_rented_line_says_who_used_what_where() -> None:
    first = rented_line(next(charges([RENTED])), "acme")
    assert {name: first[name] for name in first if name.startswith("x_")} == {
        "x_Basis": "rented", "x_Key": "app", "x_Model": "org/m", "x_ModelRevision": "0123abc", "x_Target": "api",
        "x_TokenType": "input", "x_UsageSource": "provider", "x_Workload": "triage",
    }  # fmt: skip
    assert (first["ConsumedQuantity"], first["ConsumedUnit"]) == ("300.0", "Tokens")
    assert (first["PricingQuantity"], first["PricingUnit"], first["ListUnitPrice"]) == ("0.0003", "1000000 Tokens", "2.5")
    assert (first["SubAccountId"], first["Tags"]) == ("app", '{"workload":"triage"}')
    assert {first[name] for name in ("ProviderName", "ServiceProviderName", "InvoiceIssuerName")} == {"openai"}


def test_a_service_of_its_own_is_a_product_of_its_own() -> None:
    flex = msgspec.structs.replace(RENTED, price=msgspec.structs.replace(CARD, service_tier="flex"))
    lines = [rented_line(charge, "acme") for charge in charges([flex])]
    assert {line["x_ServiceTier"] for line in lines} == {"flex"}
    assert lines[0]["SkuId"] == "openai/gpt-4o/input/flex"
    assert {line["x_TokenType"]: line["SkuMeter"] for line in lines if line["x_TokenType"].endswith(("1h", "audio"))} == {
        "cache_write_1h": "One Hour Cache Write Input Tokens", "output_audio": "Audio Output Tokens",
    }  # fmt: skip


@given(
    st.integers(1, 3_600_000_000),
    st.integers(0, 10**13),
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.integers(0, 10**10)), max_size=6, unique_by=lambda u: u[:2]
    ),
)
def test_a_machine_hour_is_split_and_every_sum_is_the_hours(up_us: int, cost: int, uses: list[tuple[str, str, int]]) -> None:
    lines = split(hour_of(up_us, cost), *(use_of(*use) for use in uses))
    assert sum(Decimal(line["EffectiveCost"]) for line in lines) == Decimal(cost).scaleb(-9)
    hours = sum(Fraction(line["PricingQuantity"]) for line in lines)
    assert 0 <= Fraction(up_us, 3_600_000_000) - hours < Fraction(1, 10**12)
    methods = [json.loads(line["AllocatedMethodDetails"], parse_float=Decimal)["Elements"] for line in lines]
    assert sum(element["AllocatedRatio"] for (element,) in methods) == 1
    assert {line["AllocatedMethodId"] for line in lines} == {"freehold/slot-seconds"}
    idle = [line for line in lines if "AllocatedResourceId" not in line]
    assert len(idle) == (not any(us for *_, us in uses))
    assert all(line["x_Key"] and line["x_Workload"] for line in lines if line not in idle)


def test_what_is_nobodys_has_the_whole_idle_hour() -> None:
    (idle,) = split(hour_of())
    assert (idle["EffectiveCost"], idle["PricingQuantity"], idle["x_Key"], idle["x_Requests"]) == (
        "1.860000001",
        "1.0",
        "",
        "0.0",
    )
    assert idle["x_MachineSlotSeconds"] == "14400.0"
    used, _ = split(hour_of(), use_of("triage", "app", 3_000_000), use_of("triage", "web", 1_000_000))
    assert (used["AllocatedResourceId"], used["PricingQuantity"], used["ResourceId"]) == ("triage/app", "0.75", "box")
    assert json.loads(used["AllocatedMethodDetails"]) == {
        "Elements": [{"AllocatedRatio": 0.75, "UsageUnit": "Slot-Seconds", "UsageQuantity": 3.0}]
    }
    old = dict(zip(COLUMNS["1.2"], cells(used, "1.2"), strict=True))
    assert (old["x_AllocatedResourceId"], old["x_AllocatedMethodId"]) == ("triage/app", "freehold/slot-seconds")


def test_lines_that_are_alike_in_all_dimensions_do_not_occur() -> None:
    lines = [rented_line(charge, "acme") for charge in charges([RENTED, msgspec.structs.replace(RENTED, source="estimated")])]
    dimensions = sorted((line["ChargePeriodStart"], line["SkuPriceId"], line["x_UsageSource"]) for line in lines)
    assert all(len(list(same)) == 1 for _, same in groupby(dimensions))


@given(st.integers(0, 10**22), st.integers(0, 21))
def test_decimals_are_exact(amount: int, places: int) -> None:
    text = exact(amount, places)
    assert re.fullmatch(r"\d+\.\d+", text)
    assert Fraction(text) == Fraction(amount, 10**places)


@pytest.mark.parametrize(
    ("at", "opens", "closes"),
    [
        ("2026-12-31T23", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2028-02-29T00", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
    ],
)
def test_a_billing_period_is_the_month(at: str, opens: str, closes: str) -> None:
    hour = int(dt.datetime.fromisoformat(f"{at}:00:00Z").timestamp())
    line = imported_line(msgspec.structs.replace(USE, start=hour, end=hour + HOUR), "acme")
    assert (line["BillingPeriodStart"], line["BillingPeriodEnd"]) == (opens, closes)

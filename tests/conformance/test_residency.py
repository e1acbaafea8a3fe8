"""The residency report says the same of the same entries, wherever the ledger is, with the same hash."""

import random
from pathlib import Path

import msgspec
from postgres_cluster import Cluster
from residency_ledger import API, BOX, JULY, OCTOBER, on_record, refused, sent, write

from freehold.app.residency.document import Asked, Residency
from freehold.app.residency.report import residency
from freehold.core.entry import Entry
from freehold.core.policy_facts import Demanded
from freehold.core.target import Secret
from freehold.serve.stores.place import LedgerPlace, postgres_place


def some(source: random.Random) -> list[Entry]:
    made = []
    for n in range(300):
        at = JULY + n * 1000 + source.random()
        how = {
            "policy": source.choice(["p1", "p1", "p2", "p0"]), "regions": source.choice([None, ("eu",), ()]),
            "data_class": source.choice(["public", "confidential", "restricted"]), "workload": source.choice(["a", "Ä"]),
        }  # fmt: skip
        if source.random() < 0.1:
            made.append(refused(at, **how))
            continue
        demanded = source.choice([None, Demanded(), Demanded(egress=("files",), no_training=True, providers=("openai",))])
        made.append(sent(at, *source.choice([(API,), (BOX,), (BOX, API)]), demanded=demanded, **how))
    return made


def said(place: LedgerPlace, **fields: str) -> Residency:
    made = residency(place, Asked(since=JULY, until=OCTOBER, **fields), OCTOBER)
    return msgspec.structs.replace(made, ledger="", command="")


def test_both_databases_have_the_same_report(tmp_path: Path, cluster: Cluster) -> None:
    places: list[LedgerPlace] = [tmp_path / "ledger.db", postgres_place(Secret(cluster.fresh()))]
    seed = random.randrange(2**32)
    batch = some(random.Random(seed))
    for place in places:
        write(place, *batch)
        on_record(place, "p1", API, BOX)
        on_record(place, "p2", BOX, since=JULY + 50_000, until=JULY + 250_000)
        on_record(place, "p1", BOX, API, since=OCTOBER, until=OCTOBER + 5)
    for fields in ({}, {"data_class": "restricted"}, {"workload": "Ä"}, {"label": "phi"}):
        file, database = (said(place, **fields) for place in places)
        assert database == file, f"seed {seed}"
    assert said(places[0]).violations
    assert said(places[0]).unproven

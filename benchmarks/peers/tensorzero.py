"""TensorZero's gateway from its Python package, a Rust server in a thread: bare, and with its records and limits on."""

import os
import subprocess
from pathlib import Path

import msgspec

from benchmarks.peers.servers import Postgres, Valkey, postgres, valkey
from benchmarks.peers.setup import Kept, Missing, Setup, environment, version

_START = """
import pathlib, re, sys, time
from tensorzero import _start_http_gateway as start
config, port_file, postgres, valkey = sys.argv[1:]
urls = {"clickhouse_url": None, "postgres_url": postgres or None, "valkey_url": valkey or None}
served = start(config_file=config, async_setup=False, **urls)
pathlib.Path(port_file).write_text(re.search(r":(\\d+)/", served.base_url)[1])
time.sleep(1e6)
"""
_BARE = "observability.enabled = false"
_BATCHED = 'observability = { enabled = true, backend = "postgres", async_writes = false, batch_writes = { enabled = true } }'
_MOST = 1_000_000_000
# None on cost: in 2026.6.0 every request counts as one dollar there, whatever it cost, and is warned of in the log.
_LIMITS = f"""
cost = [{{ pointer = "/usage/prompt_tokens", cost_per_million = 0.15 }},
        {{ pointer = "/usage/completion_tokens", cost_per_million = 0.60 }}]
[[rate_limiting.rules]]
always = true
model_inferences_per_day = {_MOST}
tokens_per_day = 1000000000000
"""
_BUCKET = 'tensorzero_ratelimit:{"resource":"model_inference","scope_key":[]}'
_TABLES = ("chat_inferences", "chat_inference_data", "model_inferences", "model_inference_data")
# The table where it looks for what has been applied, and where its source has the statements; in the order of its own command.
_MIGRATIONS = {
    "tensorzero_auth__sqlx_migrations": "tensorzero-auth/src/postgres/migrations",
    "_sqlx_migrations": "tensorzero-core/src/db/postgres/migrations",
    "tensorzero_stored_config__sqlx_migrations": "tensorzero-stored-config/src/postgres/migrations",
}
_SEARCHED = ("chat_inference_data", "json_inference_data", "chat_datapoints", "json_datapoints")


def tensorzero(folder: Path, upstream: int) -> Setup:
    """No database, so no limits and no records."""
    return _setup(environment("tensorzero", "tensorzero"), _configured(folder, upstream, _BARE))


def tensorzero_with_records(folder: Path, upstream: int) -> Setup:
    """What its package offers of our work, as its guide advises for much traffic: records with content in PostgreSQL, written in
    batches (its defaults: every 100 ms or 1,000 rows) and so after the answer; requests and tokens limited, in Valkey.

    Keys are not checked: the package starts a server without that part, which is in its container image only.
    """
    python = environment("tensorzero", "tensorzero")
    source = _source(python, version(python, "tensorzero"))
    records, counts = postgres(folder), valkey()

    def prepare() -> None:
        records.wait()
        records.run(_schema(source))

    setup = _setup(python, _configured(folder, upstream, _BATCHED, _LIMITS), records.url, counts.url)
    servers = (records.server, counts.server)
    return msgspec.structs.replace(setup, servers=servers, prepare=prepare, kept=lambda: _kept(records, counts))


def _configured(folder: Path, upstream: int, gateway: str, rest: str = "") -> Path:
    config = folder / "tensorzero.toml"
    config.write_text(
        f"""
[gateway]
{gateway}
disable_pseudonymous_usage_analytics = true
[models.bench]
routing = ["api"]
[models.bench.providers.api]
type = "openai"
api_base = "http://127.0.0.1:{upstream}/v1/"
model_name = "m"
api_key_location = "none"
{rest}""",
        encoding="utf-8",
    )
    return config


def _setup(python: Path, config: Path, postgres_url: str = "", valkey_url: str = "") -> Setup:
    port_file = config.with_name("port")
    command = (str(python), "-c", _START, str(config), str(port_file), postgres_url, valkey_url)
    path, model = "/openai/v1/chat/completions", "tensorzero::model_name::bench"
    return Setup(version(python, "tensorzero"), command, None, path, model, port_file)


def _kept(records: Postgres, counts: Valkey) -> Kept:
    """Requests that are in each of its tables, and requests taken from the bucket of its limit."""
    rows = ", ".join(f"(SELECT count(*) FROM tensorzero.{table})" for table in _TABLES)
    left = counts.field(_BUCKET, "balance") or str(_MOST)
    return Kept(recorded=int(records.run(f"SELECT least({rows})")), counted=_MOST - int(left))


def _source(python: Path, release: str) -> Path:
    """The source of that release from the registry, for the statements that make its tables. Raises Missing.

    The package checks at its start that they were applied, and only the program in its container image applies them.
    """
    place = python.parents[1] / f"source-{release}"
    place.mkdir(exist_ok=True)
    if not (found := _unpacked(place)):
        # pip unpacks the source, stops where it would prepare to build it (there is no build backend), and leaves it there
        get = [str(python), "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-clean", "--no-deps",
               "--no-binary", ":all:", "--no-build-isolation", "--dest", str(place), f"tensorzero=={release}"]  # fmt: skip
        subprocess.run(get, env=os.environ | {"TMPDIR": str(place)}, capture_output=True, check=False)
        found = _unpacked(place)
    if not found:
        raise Missing(f"the source of tensorzero {release}, which has the statements for its tables, could not be had by pip")
    return found[0]


def _unpacked(place: Path) -> list[Path]:
    sources = [core.parent for core in place.glob("*/*/tensorzero-core")]
    return [source for source in sources if all(any((source / folder).glob("*.sql")) for folder in _MIGRATIONS.values())]


def _schema(source: Path) -> str:
    """All statements that its own command would run, and the notes it makes of them."""
    parts = []
    for table, folder in _MIGRATIONS.items():
        parts.append(f"CREATE TABLE {table} (version BIGINT PRIMARY KEY, success BOOLEAN NOT NULL);")
        for file in sorted((source / folder).glob("*.sql")):
            statements = file.read_text(encoding="utf-8")
            if "durable." not in statements:  # queues for its evaluations, of a library whose source is elsewhere
                parts.append(f"BEGIN;\n{statements}\n;COMMIT;")
            parts.append(f"INSERT INTO {table} VALUES ({file.name.partition('_')[0]}, true);")
    parts.append((source / "tensorzero-core/src/db/postgres/pgcron_setup.sql").read_text(encoding="utf-8"))
    parts.append("CREATE EXTENSION IF NOT EXISTS pg_trgm;")  # the command makes these indexes in code, not in a file
    parts += [
        f"CREATE INDEX idx_{table}_{column}_trgm ON tensorzero.{table} USING GIN (CAST({column} AS TEXT) gin_trgm_ops);"
        for table in _SEARCHED
        for column in ("input", "output")
    ]
    return "\n".join(parts)

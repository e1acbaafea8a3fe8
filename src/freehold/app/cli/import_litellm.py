"""`freehold import litellm`: LiteLLM's config.yaml into freehold.yaml, and what became of every key of it."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from freehold.app.cli.output import emit_json, notes, out
from freehold.app.imports.litellm.converting import Circumstances, Conversion, convert_file
from freehold.catalog.prices import PriceBook
from freehold.core.errors import BadSettings
from freehold.serve.access.keys import digest, new_key


def litellm(
    file: Path,
    *,
    to: Annotated[Path, Parameter(name="--out")] = Path("freehold.yaml"),
    model: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    json: bool = False,
) -> int:
    """Make freehold.yaml from LiteLLM's config.yaml, and say of every key: mapped, approximated or ignored.

    Exit code 1 if no model could be taken over; then nothing is written.

    Parameters
    ----------
    file
        LiteLLM's config.yaml; the files it includes are read too.
    to
        The file to write. It must not be there yet.
    model
        A model that callers ask for through a wildcard of the file. May be repeated.
    json
        Print one JSON object.
    """
    if to.exists():
        raise BadSettings(f"{to} is there already; name another file with --out, or move it away")
    key = new_key()
    given = Circumstances(
        today=datetime.now(UTC).date(), book=PriceBook(), environment=os.environ, models=model, key_sha256=digest(key)
    )
    made = convert_file(file, to, given)
    if made.text is not None:
        _write(to, made.text)
    if json:
        emit_json(
            {
                "file": None if made.text is None else str(to), "key": None if made.text is None else key,
                "targets": made.targets, "workloads": made.workloads, "environment": made.environment,
                "left_out": made.left_out, "report": made.report,
            }
        )  # fmt: skip
    else:
        out.print(_table(made))
        _tell(made, file, to, key)
    return 1 if made.text is None else 0


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadSettings(f"cannot write {path}: {error.strerror}; name another file with --out") from None


def _table(made: Conversion) -> Table:
    table = Table("key", "became", "where to, what differs, or why not")
    for line in made.report:
        table.add_row(line.key.replace("[", "\\["), line.fate, line.says.replace("[", "\\["))
    return table


def _tell(made: Conversion, file: Path, to: Path, key: str) -> None:
    def note(text: str) -> None:
        notes.print(text, soft_wrap=True, highlight=False, markup=False)

    for one in made.left_out:
        note(f"left out: {one.model_name} ({one.key}): {one.why}")
    if made.text is None:
        note(f"{file}: no model could be taken over, so {to} is not written")
        return
    counts = (f"{sum(line.fate == fate for line in made.report)} {fate}" for fate in ("mapped", "approximated", "ignored"))
    note(f"{to}: {len(made.targets)} targets, {len(made.workloads)} workloads; keys: {', '.join(counts)}")
    note(
        f"CHOOSE the clearance of each target and the data class of each workload in {to}; until then only public data is served"
    )
    if made.environment:
        note(f"Set these where the gateway is started: {', '.join(made.environment)}")
    note(f"The key for your callers, shown once: {key}")
    note(f"Next: freehold check -c {to}")

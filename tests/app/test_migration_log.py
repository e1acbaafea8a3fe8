"""A migration as its store keeps it, and as later versions read what earlier ones kept."""

import msgspec
import pytest

from freehold.app.migration_log import read_migration, write_migration
from freehold.core.errors import BadSettings
from freehold.move.migration.machine import MigrationSettings
from freehold.move.migration.progress import Migration

MADE = Migration(id="m", workload="w", target="box", settings=MigrationSettings(late_s=7.0, after_live=0.2), made_at=1.0)


def test_what_is_kept_is_read_again() -> None:
    assert read_migration(write_migration(MADE)) == MADE
    usual = msgspec.structs.replace(MADE, settings=MigrationSettings())
    assert read_migration(write_migration(usual)).settings.after_live == 0.01


def test_one_that_began_before_live_candidates_were_compared_is_not_compared() -> None:
    kept = write_migration(MADE)
    fields = msgspec.json.decode(kept.settings, type=dict[str, object])
    del fields["after_live"]
    before = msgspec.structs.replace(kept, settings=msgspec.json.encode(fields).decode())
    settings = read_migration(before).settings
    assert (settings.after_live, settings.late_s) == (0.0, 7.0)
    with pytest.raises(BadSettings, match="the settings of migration m cannot be read"):
        read_migration(msgspec.structs.replace(kept, settings="[]"))

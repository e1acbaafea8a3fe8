"""The kinds of token that only an attempt's row tells apart, and the index by which the few attempts that do are found.

Most attempts have none of them, and then neither they nor the index cost anything.
"""

from freehold.core.usage import Bucket

TOLD: tuple[Bucket, ...] = ("cache_write_1h", "input_audio", "cache_read_audio", "output_audio")
TOLD_APART = " OR ".join(f"{kind} > 0" for kind in TOLD)
INDEX = "attempts_told_apart"
# Written out: what a migration did must not change.
ADD_INDEX = """CREATE INDEX attempts_told_apart ON attempts (entry_id)
    WHERE cache_write_1h > 0 OR input_audio > 0 OR cache_read_audio > 0 OR output_audio > 0;"""

"""`freehold keys`: make a key and the hash the configuration holds in its place."""

from cyclopts import App

from freehold.app.cli.output import emit_json, notes, out
from freehold.serve.access.keys import digest, new_key

app = App(name="keys", help="Make API keys; the configuration holds only their SHA-256.")


@app.command
def new(*, json: bool = False) -> int:
    """Make a key: 256 random bits, shown once.

    Parameters
    ----------
    json
        Print one JSON object.
    """
    key = new_key()
    if json:
        emit_json({"key": key, "sha256": digest(key)})
        return 0
    notes.print("The key, shown once; give it to the caller:")
    out.print(key, soft_wrap=True)
    notes.print("Its hash, for sha256: under keys (or admin.key_sha256) in freehold.yaml:")
    out.print(digest(key), soft_wrap=True)
    return 0

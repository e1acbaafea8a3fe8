"""A model id on a hub, with the revision that it is held to."""

import re

_HUB_ID = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)@(?P<revision>[\w./-]+)", re.ASCII)


def split_revision(model: str) -> tuple[str, str | None]:
    """(name, revision) of `org/name@revision`; anything else, such as a path, is a name alone."""
    pinned = _HUB_ID.fullmatch(model)
    return (pinned["name"], pinned["revision"]) if pinned else (model, None)

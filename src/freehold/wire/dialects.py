"""The dialects our callers may speak, by the path that each is spoken at."""

from collections.abc import Mapping

from freehold.core.ports import Surface
from freehold.core.request import Dialect
from freehold.wire.openai_chat.surface import ChatSurface

PATHS: Mapping[str, Surface] = {"/v1/chat/completions": ChatSurface()}
SURFACES: Mapping[Dialect, Surface] = {surface.dialect: surface for surface in PATHS.values()}

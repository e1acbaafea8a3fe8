"""The dialects our callers may speak, by the path that each is spoken at."""

from collections.abc import Mapping

from freehold.core.ports import Surface
from freehold.core.request import Dialect
from freehold.wire.anthropic_messages import CountTokensSurface, MessagesSurface
from freehold.wire.openai_chat.surface import ChatSurface
from freehold.wire.openai_completions.surface import CompletionsSurface
from freehold.wire.openai_embeddings.surface import EmbeddingsSurface
from freehold.wire.openai_responses import ResponsesSurface

PATHS: Mapping[str, Surface] = {
    "/v1/chat/completions": ChatSurface(),
    "/v1/completions": CompletionsSurface(),
    "/v1/responses": ResponsesSurface(),
    "/v1/embeddings": EmbeddingsSurface(),
    "/v1/messages": MessagesSurface(),
    "/v1/messages/count_tokens": CountTokensSurface(),
}
SURFACES: Mapping[Dialect, Surface] = {surface.dialect: surface for surface in PATHS.values()}

"""OpenAI's embeddings: texts in, vectors out."""

from freehold.wire.openai_embeddings.native import OpenAiEmbeddings
from freehold.wire.openai_embeddings.surface import EmbeddingsSurface

__all__ = ["EmbeddingsSurface", "OpenAiEmbeddings"]

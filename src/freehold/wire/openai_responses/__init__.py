"""OpenAI's Responses, inbound, and for targets that take them as they come."""

from freehold.wire.openai_responses.native import Responses
from freehold.wire.openai_responses.request import read
from freehold.wire.openai_responses.surface import ResponsesSurface

__all__ = ["Responses", "ResponsesSurface", "read"]

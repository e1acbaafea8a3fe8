"""Google's Gemini API (generateContent), outbound: for requests that came in any dialect."""

from freehold.wire.google_gemini.compose import GeminiComposer
from freehold.wire.google_gemini.verdict import verdict

__all__ = ["GeminiComposer", "verdict"]

"""Amazon Bedrock's Converse and ConverseStream, outbound: for requests that came in any dialect."""

from freehold.wire.bedrock_converse.compose import ConverseComposer
from freehold.wire.bedrock_converse.verdict import verdict

__all__ = ["ConverseComposer", "verdict"]

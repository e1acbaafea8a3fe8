"""The outbound clients that one suite holds to one behaviour."""

from typing import TypeAlias

from freehold.serve.transport.direct import DirectOutbound
from freehold.serve.transport.outbound import AiohttpOutbound

Client: TypeAlias = type[AiohttpOutbound] | type[DirectOutbound]
CLIENTS: tuple[Client, ...] = (AiohttpOutbound, DirectOutbound)

"""Whether an engine's port is free, asked before launching: whoever sits there would answer our readiness probe in its place."""

import socket

from freehold.core.errors import BadSettings


def refuse_taken_port(host: str, port: int) -> None:
    """BadSettings unless a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise BadSettings(f"port {port} on {host} cannot be used: {reason}; choose another with --port") from None

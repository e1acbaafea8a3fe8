"""Children that end with us, even where we are killed and cannot end them: Linux tells them. Elsewhere they are on their own."""

import ctypes
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def tied() -> Callable[[], None] | None:
    """For `preexec_fn`: one system call between fork and exec, prepared here, so that nothing is allocated there."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def die_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return die_with_parent

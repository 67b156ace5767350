"""The open connections of a client, so that whoever waits for an answer on one of them can be woken."""

from __future__ import annotations

import socket
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any


class Lines:
    """Notes the connections that a client opens, told by the ``trace`` extension of its requests.

    Attributes:
        extensions: what each request has to carry.
    """

    def __init__(self) -> None:
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._is_over = False
        self.extensions: Mapping[str, Any] = {"trace": self._note}

    def wake(self) -> None:
        """Break all connections, for good: a thread that waits on one fails at once, not a time-out later."""
        self._is_over = True
        for line in list(self._open):
            _break(line)

    def _note(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            line = info["return_value"].get_extra_info("socket")
            if line is not None:
                self._open.add(line)
                if self._is_over:
                    _break(line)


def _break(line: socket.socket) -> None:
    with suppress(OSError):  # it was closed already
        socket.socket.shutdown(line, socket.SHUT_RDWR)

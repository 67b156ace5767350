"""The open connections of a client, so that whoever waits for an answer on one of them can be woken."""

from __future__ import annotations

import socket
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any


class Connections:
    """Notes the connections that a client opens, told by the ``trace`` extension of its requests.

    Attributes:
        extensions: what each request has to carry.
    """

    def __init__(self) -> None:
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._is_over = False
        self._turn = threading.Lock()
        self.extensions: Mapping[str, Any] = {"trace": self._note}

    def wake(self) -> None:
        """Break all connections, for good: a thread that waits on one fails at once, not a time-out later."""
        with self._turn:
            self._is_over = True
            for connection in self._open:
                _break(connection)

    def _note(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            connection = info["return_value"].get_extra_info("socket")
            if connection is None:
                return
            with self._turn:
                self._open.add(connection)
                if self._is_over:
                    _break(connection)


def _break(connection: socket.socket) -> None:
    with suppress(OSError):  # it was closed already
        socket.socket.shutdown(connection, socket.SHUT_RDWR)

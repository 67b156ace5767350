"""What clients have in common: open connections that can be woken, no memory of their own, and no trace in errors."""

from __future__ import annotations

import socket
import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar

_Given = TypeVar("_Given")


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


def no_cookies() -> CookieJar:
    """A jar that takes none: one answer has no say in the requests that come after it."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def unseen(request: Callable[[], _Given]) -> _Given:
    """Make a request; where it fails, or is interrupted, without the frames of the HTTP libraries in the traceback.

    Their local variables hold headers and addresses in the open, and some tracebacks show local variables.
    """
    try:
        return request()
    except BaseException as error:
        raise error.with_traceback(None) from None

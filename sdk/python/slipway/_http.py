"""One keep-alive connection a thread, by the standard library. Nothing here knows what it carries."""
from __future__ import annotations

import http.client
import io
import json
import os
import ssl
import threading
import time
import urllib.parse
from typing import IO, Any, Dict, Iterator, Mapping, Optional, Union

from .errors import InvalidRequest, SlipwayError, Unavailable, error_of

DEFAULT_URL = "http://127.0.0.1:7070"
PIECE_BYTES = 1 << 20
IDLE_SECONDS = 5.0  # One that rested longer is dialled anew: the server may be closing it at this moment.
ATTEMPTS = 3
PAUSE_SECONDS = 0.1
_HINT = "start one with slipway serve, or name it: SLIPWAY_URL"

Body = Union[None, bytes, IO[bytes], Mapping[str, Any]]


class Answer:
    """A reply that can be read whole or by pieces; the connection is free again once it is."""

    def __init__(self, reply: http.client.HTTPResponse) -> None:
        self._reply = reply
        self.status = reply.status
        self.headers = reply.headers

    def read(self) -> bytes:
        return self._reply.read()

    def json(self) -> Any:
        body = self._reply.read()
        try:
            return json.loads(body) if body else {}
        except ValueError as error:
            raise SlipwayError("server.bad_reply", f"the server's answer is no JSON: {error}") from error

    def pieces(self) -> Iterator[bytes]:
        while True:
            piece = self._reply.read(PIECE_BYTES)
            if not piece:
                return
            yield piece


class Transport:
    def __init__(self, url: str, headers: Mapping[str, str], timeout: float) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise InvalidRequest("client.url", f"'{url}' is no address of a server", "http://HOST:PORT")
        self.url = url.rstrip("/")
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port
        self._base = parts.path.rstrip("/")
        self._headers = dict(headers)
        self._timeout = timeout
        self._own = threading.local()

    def _connection(self) -> http.client.HTTPConnection:
        own = self._own
        made: Optional[http.client.HTTPConnection] = getattr(own, "connection", None)
        if made is None or getattr(own, "pid", 0) != os.getpid():
            if self._tls:
                made = http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout,
                                                   context=ssl.create_default_context())
            else:
                made = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
            own.connection, own.pid, own.used = made, os.getpid(), time.monotonic()
        if time.monotonic() - own.used > IDLE_SECONDS:
            made.close()
        own.used = time.monotonic()
        return made

    def close(self) -> None:
        made = getattr(self._own, "connection", None)
        if made is not None:
            made.close()

    def send(self, method: str, path: str, body: Body = None, repeatable: Optional[bool] = None) -> Answer:
        """Raises for 400 and above. `repeatable`: the call may be made again when nothing came back, or 503."""
        if repeatable is None:
            repeatable = method in ("GET", "HEAD", "PUT", "DELETE")
        data, headers = self._encode(body)
        seekable = isinstance(data, (bytes, type(None))) or (isinstance(data, io.IOBase) and data.seekable())
        attempts = ATTEMPTS if repeatable and seekable else 1
        for left in range(attempts - 1, -1, -1):
            try:
                return self._once(method, path, data, headers)
            except Unavailable:
                if not left:
                    raise
            if isinstance(data, io.IOBase):
                data.seek(0)
            time.sleep(PAUSE_SECONDS * (attempts - left))
        raise AssertionError("unreachable")

    def _encode(self, body: Body) -> "tuple[Union[None, bytes, IO[bytes]], Dict[str, str]]":
        headers = {"Accept": "application/json", **self._headers}
        if isinstance(body, Mapping):
            headers["Content-Type"] = "application/json"
            return json.dumps(body).encode(), headers
        if body is not None:
            headers["Content-Type"] = "application/octet-stream"
        if isinstance(body, io.IOBase) and body.seekable():
            headers["Content-Length"] = str(body.seek(0, os.SEEK_END))
            body.seek(0)
        return body, headers

    def _once(self, method: str, path: str, data: Union[None, bytes, IO[bytes]], headers: Dict[str, str]) -> Answer:
        connection = self._connection()
        try:
            connection.request(method, self._base + path, data, headers)
            reply = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            what = str(error) or type(error).__name__
            raise Unavailable("net.unreachable", f"no server at {self.url}: {what}", _HINT, retryable=True) from error
        if reply.status >= 400:
            raise error_of(reply.status, reply.read())
        return Answer(reply)

"""A proxy between a client and gatehouse that behaves as proxies do: lets through, gathers whole answers, cuts."""
from __future__ import annotations

import contextlib
import socket
import threading
import time
from urllib.parse import urlsplit


class Proxy:
    """One answer a connection. `asked` has the request line and Accept header of each request, in order.

    gather: an answer is handed on when it is whole, as with response buffering. deaf: Accept does not get through, so that
    no stream is ever asked for, as with a server that knows none. brief: what is streamed is cut after so many seconds.
    """

    def __init__(self, url: str, gather: bool = False, deaf: bool = False, brief: float | None = None) -> None:
        where = urlsplit(url)
        assert where.hostname and where.port
        self.target = (where.hostname, where.port)
        self.gather, self.deaf, self.brief = gather, deaf, brief
        self.asked: list[tuple[str, str]] = []
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._listener.close()
        self.cut()
        self._thread.join(10)

    def cut(self) -> int:
        """Breaks what is under way, as a proxy that is replaced does."""
        cut = [*self._open]
        for one in cut:
            with contextlib.suppress(OSError):  # the first of a pair ends its thread, which closes the second
                one.shutdown(socket.SHUT_RDWR)
        return len(cut) // 2

    def streams(self) -> int:
        return sum(accept == "text/event-stream" for _, accept in self.asked)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            lines = self._head(client)
            if not lines:
                return
            accept = next((x.split(": ", 1)[1] for x in lines if x.lower().startswith("accept: ")), "")
            self.asked.append((lines[0], accept))
            keep = [x for x in lines if not (self.deaf and x.lower().startswith("accept:"))]
            try:
                with socket.create_connection(self.target, 10) as server:
                    server.settimeout(None)
                    server.sendall("\r\n".join([*keep, "Connection: close", "", ""]).encode())
                    self._hand_on(server, client, accept)
            except OSError:
                pass  # either side went away; so does the other

    @staticmethod
    def _head(client: socket.socket) -> list[str]:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(65536)
            if not piece:
                return []
            head += piece
        return head.split(b"\r\n\r\n", 1)[0].decode().split("\r\n")  # no test sends a body

    def _hand_on(self, server: socket.socket, client: socket.socket, accept: str) -> None:
        pair = {server, client}
        self._open |= pair
        began, whole = time.monotonic(), b""
        streamed = accept == "text/event-stream"
        try:
            if streamed and self.brief is not None:
                server.settimeout(self.brief)
            while piece := server.recv(65536):
                whole += piece
                if not self.gather:
                    client.sendall(piece)
                if streamed and self.brief is not None and time.monotonic() - began >= self.brief:
                    return
            if self.gather:
                client.sendall(whole)
        finally:
            self._open -= pair

"""A small HTTP server that answers as it is told, for the broker SDKs' contract tests."""

import json
import socket
import struct
import threading
from contextlib import suppress


class Server:
    """An HTTP/1.1 server that answers as told and keeps what it was asked. `answer(method, path, body)` gives
    (status, bytes[, header lines]), None to hang, or "reset"."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict]] = []
        self.headers: list[str] = []
        self.connections = 0
        self.answer = lambda method, path, body: (200, b"[]")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client, client.makefile("rb") as reader:
                while line := reader.readline():
                    method, path, _ = line.decode().split(" ", 2)
                    length = 0
                    while (header := reader.readline()) not in (b"\r\n", b""):
                        self.headers.append(header.decode().strip())
                        if header.lower().startswith(b"content-length:"):
                            length = int(header.split(b":")[1])
                    body = reader.read(length)
                    self.requests.append((method, path, self.parsed(body)))
                    if not self._reply(client, self.answer(method, path, body)):
                        return
        except OSError:
            pass

    def parsed(self, body: bytes) -> dict:
        return json.loads(body) if body else {}

    def _reply(self, client: socket.socket, answer) -> bool:
        if answer is None:
            threading.Event().wait(3)
            return False
        if answer == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        status, body, *extra = answer
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{''.join(extra)}\r\n"
        client.sendall(head.encode() + body)
        return True

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # a thread that still waits in `accept` would take one more
        self._listener.close()
        for client in self._open:
            client.close()

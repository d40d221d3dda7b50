"""As much of a WebSocket client (RFC 6455) as a test needs: short text frames."""

import base64
import hashlib
import os
import socket


class WebSocket:
    """An open WebSocket to `path` at a platform's port."""

    def __init__(self, port, host, path):
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.reader = self.socket.makefile("rb")
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        self.socket.sendall(head.encode())
        status = self.reader.readline()
        assert b" 101 " in status, status + self.reader.read(1000)
        headers = {}
        while (line := self.reader.readline().strip()):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        proof = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert headers["sec-websocket-accept"] == base64.b64encode(proof).decode()

    def send(self, text):
        data, mask = text.encode(), os.urandom(4)
        assert len(data) < 126
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        self.socket.sendall(bytes([0x81, 0x80 | len(data)]) + mask + masked)

    def receive(self):
        """The next text frame; None when the server closes."""
        first, length = self.reader.read(2)
        assert length < 126
        data = self.reader.read(length)
        return None if first & 0x0F == 8 else data.decode()

    def close(self):
        self.socket.close()
        self.reader.close()

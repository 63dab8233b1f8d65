"""Servers on the loopback for tests of URLs: S3 by moto, and HTTP that counts what it sends."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST_PART = 300
"""The least bytes of a part of an upload, unless it is the last; 5 MiB on S3."""
_S3 = f"""
import logging, os, sys
os.environ["S3_UPLOAD_PART_MIN_SIZE"] = "{LEAST_PART}"
os.environ["MOTO_S3_DEFAULT_KEY_BUFFER_SIZE"] = "5000000"
logging.disable()
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""


@contextmanager
def s3_server() -> Iterator[str]:
    """Start an S3 server in a process of its own; yield its URL. It ends with this process."""
    with subprocess.Popen(
        [sys.executable, "-c", _S3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()


class FileServer(ThreadingHTTPServer):
    """Serves files of bytes over HTTP, and counts the bytes it sends.

    Attributes:
        files: The files, by their paths.
        ranges: Whether it serves ranges.
        sizes: Whether it tells the size of a file.
        statuses: Statuses to answer requests of a path with, instead of the file.
        secret: What the query must be; None: anything.
        sent: Bytes of bodies sent.
        requests: The requests: method, path and range.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.ranges = self.sizes = True
        self.statuses: dict[str, int] = {}
        self.sent = 0
        self.requests: list[tuple[str, str, str]] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def forget(self) -> None:
        """Count from zero."""
        self.sent = 0
        self.requests.clear()


class _Handler(BaseHTTPRequestHandler):
    server: FileServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for its header's acknowledgement

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        asked = self.headers.get("Range", "")
        with self.server.lock:
            self.server.requests.append((self.command, self.path, asked))
        data = self.server.files.get(path)
        status = self.server.statuses.get(path, 404 if data is None else 200)
        if data is None or status != 200:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        tag = f'"{hash(data):x}"'
        if asked and self.server.ranges:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, stop = int(first or -int(last)), min(int(last or len(data)) + 1, len(data))
            start, stop = (start, stop) if first else (max(0, len(data) + start), len(data))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
            data = data[start:stop]
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes" if self.server.ranges else "none")
        self.send_header("ETag", tag)
        if self.server.sizes:
            self.send_header("Content-Length", str(len(data)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if body:
            self.wfile.write(data)
            with self.server.lock:
                self.server.sent += len(data)
        if not self.server.sizes:
            self.close_connection = True


@contextmanager
def file_server() -> Iterator[FileServer]:
    """Start an HTTP server in a thread, and end it."""
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Lake:
    """A bucket of an S3 server.

    Attributes:
        client: boto3's client of the server.
        url: The bucket's URL.
    """

    def __init__(self, client) -> None:
        self.client = client
        self.url = "s3://lake"

    def put(self, key: str, data: bytes) -> str:
        """Make an object, and return its URL."""
        self.client.put_object(Bucket="lake", Key=key, Body=data)
        return f"{self.url}/{key}"

    def get(self, key: str) -> bytes:
        """Return the bytes of an object."""
        return self.client.get_object(Bucket="lake", Key=key)["Body"].read()

    def parts(self, key: str) -> range:
        """Return the numbers of the parts that an object was uploaded in; none if at once."""
        tag = self.client.head_object(Bucket="lake", Key=key)["ETag"].strip('"')
        return range(int(tag.partition("-")[2] or 0))

    def objects(self) -> list[str]:
        """Return the keys of all objects."""
        found = self.client.list_objects_v2(Bucket="lake").get("Contents", [])
        return [each["Key"] for each in found]

    def uploads(self) -> list[str]:
        """Return the keys of all uploads that are neither completed nor aborted."""
        found = self.client.list_multipart_uploads(Bucket="lake").get("Uploads", [])
        return [each["Key"] for each in found]

    def clear(self) -> None:
        """Remove all objects and uploads."""
        for key in self.objects():
            self.client.delete_object(Bucket="lake", Key=key)
        for each in self.client.list_multipart_uploads(Bucket="lake").get("Uploads", []):
            self.client.abort_multipart_upload(
                Bucket="lake", Key=each["Key"], UploadId=each["UploadId"]
            )

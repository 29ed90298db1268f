"""An object store: a server that speaks S3, in this process, on a port of its own."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import fsspec
from moto.server import ThreadedMotoServer


@dataclass(frozen=True)
class Bucket:
    """Where it is; `environment` is how s3fs and all of AWS' tools find it."""

    url: str
    environment: Mapping[str, str]

    def create(self) -> None:
        self._files().mkdir(self.url)

    def folder(self) -> str:
        """One that nobody else uses."""
        return f"{self.url}/{secrets.token_hex(4)}"

    def files(self, folder: str, pattern: str) -> list[str]:
        """What lies below a folder, by name."""
        files = self._files()
        files.invalidate_cache()
        return sorted(f"s3://{path}" for path in files.glob(f"{folder}/**/{pattern}"))

    def write(self, url: str, data: bytes) -> None:
        self._files().pipe_file(url, data)

    def _files(self) -> fsspec.AbstractFileSystem:
        return fsspec.filesystem("s3")


@contextmanager
def open_bucket() -> Iterator[Bucket]:
    """An empty one, which is gone with its server at the end. The environment is for the caller to set."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(8),
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        fsspec.get_filesystem_class("s3").clear_instance_cache()  # those of another server, which has gone
        yield Bucket(f"s3://archive-{secrets.token_hex(4)}", environment)
    finally:
        server.stop()

"""One request to the registry and its answer, bounded in time and in size whatever the server does."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import httpx2 as httpx
import orjson

from bridge.errors import ConfigError, RegistryUnavailable
from bridge.settings import RegistrySettings
from bridge.text import printable

MAX_BYTES = 4_000_000  # a schema of the largest size, with each of its characters escaped
MAX_WORDS = 500  # characters of what a registry says
HEADERS = {
    "Accept": "application/vnd.schemaregistry.v1+json, application/json",
    "Content-Type": "application/vnd.schemaregistry.v1+json",
    "Accept-Encoding": "identity",  # a few compressed bytes may be gigabytes
}
TRY_THE_NEXT = (408, 429, *range(500, 600))
BROKEN = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)  # no answer, or one that is not HTTP


class Answer(NamedTuple):
    """`document` is what the body says; None for a body that is empty, or that is no JSON."""

    status: int
    document: Any
    is_markup: bool  # a web page, so something else than a registry

    @property
    def words(self) -> str:
        """What the registry says for people, on one line."""
        said = self.document.get("message") if isinstance(self.document, dict) else None
        return words(said) if isinstance(said, str) else "no reason that can be read"


class Exchange:
    """Speaks HTTP with one registry; not safe to share between threads.

    It waits in asyncio, because only there a time-out holds for all of a request: a server that sends a byte now and
    then would outlast every time-out on single reads.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        """Raises ConfigError for an unset or malformed URL. Does not connect."""
        if not settings.url:
            raise ConfigError(
                "no schema registry is given", hint="Set BRIDGE_REGISTRY_URL, or registry.url in the configuration"
            )
        self._urls = [url.strip().rstrip("/") for url in settings.url.split(",")]
        if not all(_is_address(url) for url in self._urls):
            raise ConfigError("the registry's settings are malformed", hint="Write http://host:8081 for registry.url")
        self.place = settings.url.rpartition("@")[2]  # never a password in the URL
        self._seconds = settings.timeout_seconds
        login = httpx.BasicAuth(settings.username, settings.password) if settings.username else None
        self._client = httpx.AsyncClient(auth=login, timeout=None, headers=HEADERS)
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        """Close the connections; not used any more afterwards."""
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()

    def send(self, method: str, path: str, document: Any = None) -> Answer:
        """Send one request, to the first address that answers. Raises RegistryUnavailable."""
        content = None if document is None else orjson.dumps(document)
        for url in self._urls[:-1]:
            try:
                answer = self._send_to(url, method, path, content)
            except RegistryUnavailable:
                continue
            if answer.status not in TRY_THE_NEXT:
                return answer
        return self._send_to(self._urls[-1], method, path, content)

    def _send_to(self, url: str, method: str, path: str, content: bytes | None) -> Answer:
        try:
            return self._loop.run_until_complete(self._answer(method, f"{url}/{path}", content))
        except TimeoutError as error:
            raise self._away(f"timed out after {self._seconds:g} s") from error
        except BROKEN as error:
            raise self._away(words(str(error)) or type(error).__name__) from error

    async def _answer(self, method: str, url: str, content: bytes | None) -> Answer:
        body = bytearray()
        async with asyncio.timeout(self._seconds), self._client.stream(method, url, content=content) as response:
            if response.has_redirect_location:
                where = words(response.headers["Location"])
                raise self._odd(f"answers {response.status_code} and points to {where}, which is not followed")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise self._odd("answers in an encoding that was not asked for")
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise self._odd(f"answers with more than {MAX_BYTES} bytes")
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            document = None
        return Answer(response.status_code, document, bytes(body[:100]).lstrip().startswith(b"<"))

    def _away(self, why: str) -> RegistryUnavailable:
        return RegistryUnavailable(
            f"cannot reach the registry at {self.place}: {why}",
            hint="Check BRIDGE_REGISTRY_URL and that the registry runs",
        )

    def _odd(self, what: str) -> RegistryUnavailable:
        return RegistryUnavailable(f"the registry at {self.place} {what}", hint="Check BRIDGE_REGISTRY_URL")


def words(said: str) -> str:
    """Somebody else's text, safe to show: on one line, and not too long."""
    return printable(" ".join(said[: 2 * MAX_WORDS].split()))[:MAX_WORDS].rstrip(".")


def _is_address(url: str) -> bool:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return False
    return parsed.scheme in ("http", "https") and bool(parsed.host)

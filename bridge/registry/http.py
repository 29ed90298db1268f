"""One question to the registry over HTTP; the only module that opens connections to it.

What is at the other end is not trusted: an answer is bounded in bytes and, from the first to the last of them, in time.
A redirect is not followed, for the login would go with it.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any, NamedTuple

import httpx2 as httpx

from bridge.errors import ConfigError, RegistryUnavailable
from bridge.registry.identity import Identities, tls_trouble
from bridge.settings import RegistrySettings
from bridge.text import printable
from bridge.transport import exposed_registry

MAX_BODY_BYTES = 4_000_000  # twice the largest schema that we read, as JSON in JSON
SHOWN_CHARACTERS = 300
MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
BUSY = (408, 429)  # these, and 500 and above, are no answers: the next of several registries is asked


class Answer(NamedTuple):
    """A status, the JSON that came with it, and what it says for people. A web page comes from something else."""

    status: int
    is_json: bool
    is_markup: bool
    document: Any
    words: str


class RegistryHttp:
    """Asks the registries of a URL, the first that answers; safe to share between threads."""

    def __init__(self, settings: RegistrySettings) -> None:
        """Raises ConfigError for an unset or malformed URL. Does not connect."""
        if not settings.url:
            raise ConfigError(
                "no schema registry is given", hint="Set BRIDGE_REGISTRY_URL, or registry.url in the configuration"
            )
        self._seconds = settings.timeout_seconds
        try:
            self._bases = [httpx.URL(url.strip().rstrip("/")) for url in settings.url.split(",")]
            is_whole = all(base.scheme in ("http", "https") and base.host for base in self._bases)
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise _malformed() from error
        if not is_whole:
            raise _malformed()
        trouble = None if settings.allow_insecure else exposed_registry(settings.url)
        if trouble is not None:
            raise ConfigError(trouble.message, hint=trouble.hint)
        self._identities = Identities(settings, httpx.create_ssl_context)
        self.place = settings.url.rpartition("@")[2]  # never a password in the URL
        self.counts: Counter[str] = Counter()  # of questions, by outcome; others may read it

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """The first registry's answer, or the next one's if that cannot answer. Raises RegistryUnavailable."""
        for base in self._bases[:-1]:
            try:
                answer = self._counted(base, method, path, body)
            except RegistryUnavailable:
                continue
            if answer.status not in BUSY and answer.status < 500:
                return answer
        return self._counted(self._bases[-1], method, path, body)

    def _counted(self, base: httpx.URL, method: str, path: str, body: object) -> Answer:
        outcome = "unreachable"
        try:
            answer = self._ask(base, method, path, body)
            outcome = _outcome(answer.status)
            return answer
        finally:
            self.counts[outcome] += 1

    def _ask(self, base: httpx.URL, method: str, path: str, body: object) -> Answer:
        content = None if body is None else json.dumps(body).encode()
        try:
            # A loop of its own, because only there a bound on the whole can be had; httpx bounds each wait by itself.
            return asyncio.run(self._exchange(method, f"{base}{path}", content))
        except TimeoutError as error:
            why = f"it timed out: there was no whole answer within {self._seconds:g} s"
            raise self._unreachable(why) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
            if (trouble := tls_trouble(error)) is not None:
                raise self._unreachable(*trouble) from error
            raise self._unreachable(shown(str(error)) or type(error).__name__) from error

    def _unreachable(self, why: str, hint: str = "Check this URL, and that the registry runs") -> RegistryUnavailable:
        return RegistryUnavailable(f"cannot reach the registry at {self.place}: {why}", hint=hint)

    async def _exchange(self, method: str, url: str, content: bytes | None) -> Answer:
        headers = {"Accept": f"{MEDIA_TYPE}, application/json", "Accept-Encoding": "identity"}
        if content is not None:
            headers["Content-Type"] = MEDIA_TYPE
        async with (
            asyncio.timeout(self._seconds),
            self._client() as client,
            client.stream(method, url, content=content, headers=headers) as response,
        ):
            received = bytearray()
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise ValueError("its answer is compressed, which was not asked for")  # a few bytes may be gigabytes
            async for chunk in response.aiter_raw():
                received += chunk
                if len(received) > MAX_BODY_BYTES:
                    raise ValueError(f"its answer has more than {MAX_BODY_BYTES} bytes")
        return _answer(response.status_code, bytes(received))

    def _client(self) -> httpx.AsyncClient:
        identity = self._identities.now()
        login = {} if identity.authorization is None else {"Authorization": identity.authorization}
        # No proxy of the environment's: it would read the login of a registry on this machine. Nor a login of ~/.netrc.
        # Postgres and Kafka, beside it, are reached directly, too.
        return httpx.AsyncClient(headers=login, verify=identity.tls, timeout=None, trust_env=False)


def shown(text: str) -> str:
    """What somebody else says, on one short line that cannot steer a terminal."""
    return printable(" ".join(text[: 10 * SHOWN_CHARACTERS].split()))[:SHOWN_CHARACTERS].rstrip(".")


def _outcome(status: int) -> str:
    """One of few words, for counting."""
    if status in BUSY or status >= 500:
        return "failed"
    if status == 404:
        return "missing"
    return "ok" if status < 400 else "rejected"


def _answer(status: int, body: bytes) -> Answer:
    words = shown(body[: 10 * SHOWN_CHARACTERS].decode("utf-8", "replace"))
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return Answer(status, False, body[:100].lstrip().startswith(b"<"), None, words)
    message = document.get("message") if isinstance(document, dict) else None
    return Answer(status, True, False, document, shown(message) if isinstance(message, str) else words)


def _malformed() -> ConfigError:
    return ConfigError("the registry's settings are malformed", hint="Write http://host:8081 for registry.url")

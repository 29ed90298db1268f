"""The pages of several workers under one parent, joined: the parent asks them, over sockets that are theirs alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson

from bridge.telemetry.address import Address
from bridge.telemetry.asking import ask_all
from bridge.telemetry.document import as_answer, of_all
from bridge.telemetry.health import Finding, Verdict
from bridge.telemetry.pages import HEALTH, LIVE, METRICS, READY, Answer, Page, Request, told
from bridge.telemetry.press import joined_page

WORKER_SECONDS = 3.0  # for the answers of all workers; below the probes' own time-out


def joined_pages(workers: Sequence[Address], bound: float) -> Mapping[str, Page]:
    """Those of the parent, which starts now and asks every worker; one has `bound` seconds to begin to listen."""
    began = time.monotonic()

    def each(path: str) -> list[tuple[int, Answer | OSError]]:
        return list(enumerate(ask_all(workers, path, WORKER_SECONDS)))

    def joined(path: str, well: str, is_fine: Callable[[Answer | OSError], bool]) -> Page:
        return lambda _request: told(
            [_line(number, answer) for number, answer in each(path) if not is_fine(answer)], well
        )

    def health(_request: Request) -> Answer:
        relays: list[dict[str, Any]] = []
        missing: list[Finding] = []
        for number, answer in each(HEALTH):
            try:
                if isinstance(answer, OSError):
                    raise answer
                relays += [{"worker": number, **relay} for relay in orjson.loads(answer.body)["relays"]]
            except (OSError, ValueError, KeyError, TypeError):
                is_early = _starts(answer) and time.monotonic() - began <= bound
                verdict = Verdict.WAITING if is_early else Verdict.FAILING
                missing.append(Finding(verdict, _line(number, answer)))
        return as_answer(of_all(relays, bound, missing))

    return {
        METRICS: partial(joined_page, [worker.path for worker in workers]),
        LIVE: joined(LIVE, "alive", lambda answer: _starts(answer) or _is_well(answer)),
        READY: joined(READY, "ready", _is_well),
        HEALTH: health,
    }


def _starts(answer: Answer | OSError) -> bool:
    """A worker that has ended ends its parent, so that one which does not listen has not begun to."""
    return isinstance(answer, FileNotFoundError | ConnectionRefusedError)


def _is_well(answer: Answer | OSError) -> bool:
    return isinstance(answer, Answer) and answer.status == HTTPStatus.OK


def _line(number: int, answer: Answer | OSError) -> str:
    if isinstance(answer, Answer):
        said = "; ".join(answer.body.decode("utf-8", "replace").splitlines())
    else:
        said = "it starts" if _starts(answer) else f"it does not answer: {answer.strerror or answer}"
    return f"worker {number}: {said}"

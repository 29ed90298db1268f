"""The page: what it answers, that it changes nothing without the token, and how a real browser shows hostile names."""

from __future__ import annotations

import http.client
import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from fix_relay import eventually

from bridge.errors import ConfigError
from bridge.settings import DatabaseSettings, Settings
from bridge.telemetry.address import Address
from bridge.telemetry.pages import Answer, Request
from bridge.telemetry.server import HttpServer
from bridge.web import guard as guard_module
from bridge.web import pages as pages_module
from bridge.web import watcher as watcher_module
from bridge.web.actions import posts
from bridge.web.guard import RESTS, Turns, guarded
from bridge.web.pages import pages
from bridge.web.watcher import Watcher

TOKEN = "0123456789abcdef0123"  # noqa: S105
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
DIE = """
    with written as (
        insert into bridge.outbox (shard, event_type, event_key, payload)
        select 0, %(type)s, 'k' || g, '{"secret": "S3CR3T"}' from generate_series(1, %(count)s) as g
        returning id, seq, shard, event_key, created_at
    )
    insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks, deaths, reason)
    select seq, 'event_queue', id, created_at, shard, %(topic)s, hashtextextended(event_key, 0), 'dead', true, 1,
           %(reason)s
      from written
"""


@dataclass
class Page:
    """A page that is served, and its database."""

    address: Address
    database: str

    def ask(self, path: str, body: object = None, **headers: str) -> tuple[int, dict[str, str], str]:
        """GET, or POST where there is a body."""
        conn = http.client.HTTPConnection(self.address.host, self.address.port, timeout=60)
        try:
            data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            conn.request("GET" if data is None else "POST", path, body=data, headers=headers)
            answer = conn.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            conn.close()

    def document(self, path: str) -> dict[str, Any]:
        status, _, body = self.ask(path)
        assert status == 200, body
        return dict(json.loads(body))

    def die(self, count: int, event_type: str, topic: str, reason: str) -> None:
        with psycopg.connect(self.database) as db:
            db.execute(DIE, {"count": count, "type": event_type, "topic": topic, "reason": reason})

    def states(self) -> dict[str, int]:
        with psycopg.connect(self.database) as db:
            return dict(db.execute("select state, count(*)::int from bridge.parked group by state").fetchall())


@contextmanager
def served(database: str, *, may_act: bool) -> Iterator[Page]:
    settings = Settings(database=DatabaseSettings(url=database))
    watcher = Watcher(settings, may_act=may_act)
    actions = posts(settings, TOKEN) if may_act else {}
    server = HttpServer(Address("127.0.0.1", 0), guarded(pages(settings, watcher), []), guarded(actions, []))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watcher_module, "SHARE", 1.0)  # else a look on a busy machine is the last for half a minute
        watcher.start()
        server.start()
        try:
            page = Page(server.address, database)
            eventually(lambda: page.ask("/api/overview")[0] == 200)
            yield page
        finally:
            server.close()
            watcher.close()


def test_it_shows_what_there_is_and_changes_nothing(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher_module, "LOOK_SECONDS", 0.5)
    with served(database, may_act=False) as page:
        page.die(3, "a.changed", "t.a", "the record has 9 bytes")
        eventually(lambda: page.document("/api/overview")["dead"] == 3)
        seen = page.document("/api/overview")
        assert (seen["verdict"], seen["may_act"], seen["blocking"]) == ("person", False, 3)
        assert [shard["shard"] for shard in seen["shards"]] == ["0", "1"]
        assert seen["topics"][0]["topic"] == "t.a"
        assert seen["groups"] == [
            {"topic": "t.a", "event_type": "a.changed", "reason": "the record has 9 bytes", "events": 3}
        ]
        assert {job["job"] for job in seen["jobs"]} >= {"partitions", "retention"}
        found = page.document("/api/dead?topic=t.a&event_type=a.changed&reason=the+record+has+9+bytes")
        assert (len(found["events"]), found["more"]) == (3, False)
        assert page.document("/api/dead?topic=t.b")["events"] == []
        told = "".join(page.ask(path)[2] for path in ("/", "/page.js", "/page.css", "/api/overview", "/api/dead"))
        assert "S3CR3T" not in told
        for path in ("/api/decide", "/api/overview", "/"):  # without actions nothing takes a POST
            assert page.ask(path, {"decision": "skipped"})[0] in (404, 405)
        assert page.ask("/api/trace?event_id=x")[0] == 400
        assert page.ask("/../pages.py")[0] == 404
        assert page.states() == {"dead": 3}


def test_a_browser_is_let_do_nothing_else(database: str) -> None:
    with served(database, may_act=False) as page:
        for path in ("/", "/page.js", "/page.css", "/api/overview", "/api/trace"):
            _, headers, _ = page.ask(path)
            policy = headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Cache-Control"] == "no-store"
            assert "Access-Control-Allow-Origin" not in headers


def test_only_who_knows_the_token_decides_and_about_no_more_than_is_meant(database: str) -> None:
    settings = Settings(database=DatabaseSettings(url=database))
    for weak in ("", "short"):
        with pytest.raises(ConfigError, match="16 characters or more"):
            posts(settings, weak)
    with served(database, may_act=True) as page:
        page.die(2, "a.changed", "t.a", "too large")
        page.die(5, "a.changed", "t.a", "too large, and else")  # the same reason goes on
        meant = {"decision": "skipped", "why": "old", "topic": "t.a", "event_type": "a.changed", "reason": "too large"}
        good = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        for headers in (
            {},
            {"Authorization": f"Bearer {TOKEN}x"},
            {"Authorization": TOKEN},
            {"Authorization": "Bearer \xff"},
        ):
            assert page.ask("/api/decide", meant, **{**good, "Authorization": "", **headers})[0] == 401
        assert page.ask("/api/decide", meant, **{**good, "Content-Type": "text/plain"})[0] == 415
        for wrong in (b"{", [], {}, meant | {"decision": "deleted"}, meant | {"why": " "}, meant | {"topic": 7}):
            status, _, body = page.ask("/api/decide", wrong, **good)
            assert (status, "error" in json.loads(body)) == (400, True), wrong
        assert page.ask("/api/decide", meant | {"topic": "\ud800"}, **good)[0] == 400
        assert page.states() == {"dead": 7}
        status, _, body = page.ask("/api/decide", meant, **good)
        assert (status, json.loads(body)) == (200, {"decided": 2})
        assert page.states() == {"dead": 5, "skipped": 2}
        assert json.loads(page.ask("/api/decide", meant, **good)[2]) == {"decided": 0}
    with psycopg.connect(database) as db:
        kept = db.execute("select distinct decision, why, died_of from bridge.dead_decision").fetchall()
        assert kept == [("skipped", "old", "too large")]


def test_a_database_that_is_away_is_said(database: str) -> None:
    away = Settings(database=DatabaseSettings(url="postgresql://nobody@127.0.0.1:1/none?connect_timeout=2"))
    watcher = Watcher(away, may_act=False)
    watcher.start()
    try:
        eventually(lambda: b"cannot connect" in watcher.page(None).body)  # type: ignore[arg-type]
        assert watcher.page(None).status == 503  # type: ignore[arg-type]
    finally:
        watcher.close()


def test_a_database_that_hangs_is_said(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the last look saw is not shown for ever: it would say that all is well."""
    monkeypatch.setattr(watcher_module, "SLOW_SECONDS", 0.3)
    monkeypatch.setattr(watcher_module, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(watcher_module, "PAUSE_SECONDS", 1.0)
    with served(database, may_act=False) as page, psycopg.connect(database) as db:
        db.execute("lock table bridge.shard in access exclusive mode")
        eventually(lambda: "has not answered for" in page.ask("/api/overview")[2])
        assert page.ask("/api/overview")[0] == 503
        db.rollback()
        eventually(lambda: page.ask("/api/overview")[0] == 200)


def test_it_takes_no_more_than_a_share_of_the_time_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    def look(_watch: object) -> None:
        looks.append(time.monotonic())
        time.sleep(0.01)  # as a large backlog takes
        raise ConfigError("no matter what")

    monkeypatch.setattr(watcher_module, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(watcher_module.Watch, "look", look)
    watcher = Watcher(Settings(), may_act=False)
    watcher.start()
    eventually(lambda: len(looks) == 2)
    watcher.close()
    assert looks[1] - looks[0] > 0.01 / watcher_module.SHARE


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9109", 200),
        ("[::1]:9109", 200),
        ("localhost", 200),
        ("relay:9109", 200),  # a container's or a service's name
        ("ours.example.com:80", 200),
        ("OURS.example.com.", 200),
        ("evil.example.com:9109", 421),
        ("127.0.0.1.evil.example.com", 421),
        ("[::1].evil.example.com", 421),
        ("[evil.example.com]", 421),
    ],
)
def test_a_name_that_a_stranger_may_have_made_is_none_of_ours(host: str, status: int) -> None:
    """A page whose name turns into 127.0.0.1 would read here, and a token that was guessed would decide."""
    (page,) = guarded({"/api/overview": lambda _: Answer(200, "", b"")}, ["ours.example.com"]).values()
    assert page(Request("GET", "/api/overview", {}, {"host": host})).status == status


def test_other_sites_pages_ask_nothing(database: str) -> None:
    with served(database, may_act=True) as page:
        for site in ("cross-site", "same-site"):
            assert page.ask("/api/trace?event_id=x", **{"Sec-Fetch-Site": site})[0] == 403
        assert page.ask("/api/overview", **{"Sec-Fetch-Site": "same-origin"})[0] == 200
        assert page.ask("/", **{"Sec-Fetch-Site": "cross-site"})[0] == 200  # a link to it
        assert page.ask("/", Host="evil.example.com")[0] == 421
        assert page.ask("/api/decide", {}, Host="evil.example.com")[0] == 421


def test_who_asks_again_and_again_leaves_time_for_others() -> None:
    turns = Turns()
    began = time.monotonic()
    with turns.one():
        time.sleep(0.1)  # as a look into Kafka takes
    with turns.one():
        assert time.monotonic() - began > 0.1 + RESTS * 0.1


def test_who_asks_often_takes_no_more_than_two_connections(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "TURN_SECONDS", 0.5)
    monkeypatch.setattr(watcher_module, "SLOW_SECONDS", 600.0)  # its look waits for the table, too
    sessions = "select count(*)::int from pg_stat_activity where application_name = 'bridge web'"
    with (
        served(database, may_act=False) as page,
        psycopg.connect(database) as db,
        psycopg.connect(database, autocommit=True) as other,
        ThreadPoolExecutor(10) as crowd,
    ):
        db.execute("lock table bridge.parked in access exclusive mode")
        monkeypatch.setattr(pages_module, "SECONDS", 300)
        asked = [crowd.submit(page.ask, "/api/dead") for _ in range(10)]
        eventually(lambda: sum(one.done() for one in asked) == 8)
        assert other.execute(sessions).fetchone() == (2,)
        assert page.ask("/api/overview")[0] == 200  # at once
        db.rollback()
        answers = [one.result() for one in asked]
        assert sorted(status for status, _, _ in answers) == [200] * 2 + [503] * 8
        assert sum("too many are asking" in text for _, _, text in answers) == 8

        monkeypatch.setattr(pages_module, "SECONDS", 1)
        db.execute("lock table bridge.parked in access exclusive mode")
        status, _, text = page.ask("/api/dead")
        assert (status, "statement timeout" in text) == (503, True)
        db.rollback()
        assert page.ask("/api/dead")[0] == 200


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.filterwarnings("default")  # the driver's own
def test_in_a_browser(database: str) -> None:
    from playwright.sync_api import sync_playwright

    with served(database, may_act=True) as page, sync_playwright() as driver:
        page.die(2, HOSTILE, HOSTILE, f"reason {HOSTILE}\n\u202e")
        eventually(lambda: page.document("/api/overview")["dead"] == 2)
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        complaints: list[str] = []
        try:
            for width, scheme in ((1280, "light"), (360, "dark")):
                tab = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()  # type: ignore[arg-type]
                tab.on("dialog", lambda dialog: (complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
                tab.on("pageerror", lambda error: complaints.append(str(error)))
                tab.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
                tab.on(
                    "request",
                    lambda asked: complaints.append(asked.url) if f":{page.address.port}/" not in asked.url else None,
                )
                tab.goto(f"http://{page.address}/")
                tab.locator("details summary").wait_for()
                assert tab.locator("details summary").inner_text() == f"2 of {HOSTILE} to {HOSTILE}"
                assert tab.locator("#verdict").inner_text() == "somebody should look"
                assert tab.locator("img, script:not([src])").count() == 0
                assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
            tab.locator("details summary").click()
            assert tab.locator("details li").count() == 0 or tab.locator("details li").first.inner_text()
            tab.locator("details li button").nth(1).wait_for()
            tab.get_by_role("button", name="Skip all").click()
            tab.locator("#ask-reason").fill("by hand")
            tab.locator("#ask-token").fill("wrong")
            tab.locator("#ask-go").click()
            tab.get_by_text("that is not the token").wait_for()
            complaints.remove("Failed to load resource: the server responded with a status of 401 (Unauthorized)")
            tab.locator("#ask-token").fill(TOKEN)
            tab.locator("#ask-go").click()
            eventually(lambda: page.states() == {"skipped": 2})
            tab.get_by_text("2 given up.").wait_for()  # at once, though the next look may be seconds away
            tab.locator("#dead-section").wait_for(state="hidden")
        finally:
            browser.close()
        assert complaints == []

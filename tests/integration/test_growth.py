"""What the benchmark of growth adds is what a database has after a long time: events that were processed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.bench import growth
from bridge.bench.scene import Scene
from bridge.settings import DatabaseSettings, Settings

UP_TO = "select up_to = date_trunc('day', now() - interval '1 day') from bridge.finished"


@pytest.mark.usefixtures("same_day")
def test_events_and_table_partitions_of_the_past_are_finished(database: str, tmp_path: Path) -> None:
    scene = Scene(Settings(database=DatabaseSettings(database)), "growth", tmp_path)
    growth._grow(scene, 1000, 220)
    growth._add_leaves(scene, 1, 3)
    with scene.connect() as db:
        assert db.execute("select count(*) from bridge.outbox").fetchone() == (1003,)
        assert db.execute(UP_TO).fetchone() == (True,)
    assert scene.pending() == 0

"""The README's consumer, word for word, behind a relay."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import psycopg
from confluent_kafka.admin import AdminClient
from fix_relay import Site, eventually

README = Path(__file__).parents[2] / "README.md"
ROUTE = """
[[routes]]
event_type = "order.paid"
topic = "shop.order"
subject = "shop.order-shop.OrderPaid"
"""
PAID = {
    "type": "record",
    "name": "OrderPaid",
    "namespace": "shop",
    "fields": [
        {"name": "order_id", "type": "long"},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    ],
}


def test_it_runs_word_for_word(site: Site, empty_database: str, tmp_path: Path) -> None:
    readme = README.read_text()
    (example,) = re.findall(r"```python\n(.*?from bridge\.consumer import.*?)```", readme, re.S)
    (table,) = re.findall(r"```sql\n(create table payment.*?)```", readme, re.S)
    assert set(re.findall(r'os\.environ\["(\w+)"\]', example)) <= set(re.findall(r"^export (\w+)=", readme, re.M))
    program = tmp_path / "billing.py"
    program.write_text(example)
    site.config.write_text(site.config.read_text() + ROUTE)
    (site.config.parent / "schemas" / "shop.order-shop.OrderPaid.avsc").write_text(json.dumps(PAID))
    with site.connect() as db:
        for order in (4711, 4712):
            payload = json.dumps({"order_id": order, "amount": "12.50"})
            db.execute("select bridge.publish_event('order.paid', %s, %s::jsonb)", (str(order), payload))
    site.drain()
    servers = {"KAFKA": site.settings.kafka.bootstrap_servers, "REGISTRY": site.settings.registry.url}
    with psycopg.connect(empty_database, autocommit=True) as db:
        db.execute(table.encode())
        environment = os.environ | servers | {"DATABASE": empty_database}
        process = subprocess.Popen([sys.executable, program], env=environment, stderr=subprocess.PIPE, text=True)
        try:
            paid = "select order_id, amount from payment where order_id >= 4711 order by order_id"
            eventually(lambda: len(db.execute(paid).fetchall()) >= 2 or process.poll() is not None)
            process.terminate()
            assert process.wait(30) == 0, process.communicate()[1]
        finally:
            process.kill()
            process.communicate()
            AdminClient({"bootstrap.servers": site.settings.kafka.bootstrap_servers}).delete_topics(["shop.order"])
        assert db.execute(paid).fetchall() == [(4711, Decimal("12.50")), (4712, Decimal("12.50"))]

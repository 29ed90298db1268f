"""`bridge docs`: AsyncAPI by the official schema, and a page that no name can break."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from bridge.resources import resource

OFFICIAL = json.loads(gzip.decompress((Path(__file__).parents[1] / "data" / "asyncapi-3.0.0.json.gz").read_bytes()))
SCHEMA = {
    "type": "record",
    "name": "Paid",
    "namespace": "shop",
    "doc": "Somebody | <b>paid</b>.",
    "fields": [
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}], "default": None},
        {
            "name": "lines",
            "type": {
                "type": "array",
                "items": {"type": "record", "name": "Line", "fields": [{"name": "sku", "type": "string"}]},
            },
            "doc": "Each `line`.",
        },
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "OLD"]}},
    ],
}
CONFIG = """
schemas = "schemas"
[kafka]
bootstrap_servers = "kafka:9092,other:9092"
[kafka.properties]
"security.protocol" = "SASL_SSL"
[registry]
url = "https://us:canary@registry:8081"
[relay]
name = "shop"
[[routes]]
event_type = "order.paid"
topic = "orders"
subject = "orders-shop.Paid"
[[routes]]
event_type = "order/odd name"
topic = "orders"
encoding = "json"
mask = ["card"]
[[routes]]
event_type = "order_odd_name"
topic = "orders"
encoding = "raw"
[[routes]]
event_type = "order.*"
topic = "rest"
encoding = "json"
headers = { team = "a|b" }
tombstone = true
[[routes]]
table = "shop.orders"
topic = "rows"
subject = "orders-shop.Paid"
tombstone = true
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "orders-shop.Paid.avsc").write_text(json.dumps(SCHEMA))
    (tmp_path / "bridge.toml").write_text(CONFIG)
    return tmp_path / "bridge.toml"


def docs(config: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "bridge", "docs", *arguments, "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_document_is_valid_asyncapi(config: Path) -> None:
    text = docs(config, "asyncapi", "--title", "Ours", "--version", "2.1.0")
    document = json.loads(text)
    jsonschema.Draft7Validator(OFFICIAL).validate(document)
    assert document["info"] == {"title": "Ours", "version": "2.1.0"}
    assert list(document["channels"]) == ["orders", "rest", "rows"]
    paid = document["components"]["messages"]["order.paid"]
    assert paid["payload"]["schema"]["name"] == "Paid"
    assert paid["bindings"]["kafka"]["key"]["type"] == "string"
    assert {"order_odd_name", "order_odd_name-2"} < set(document["components"]["messages"])
    assert document["servers"]["kafka"]["protocol"] == "kafka-secure"
    assert "canary" not in text


def test_the_validator_finds_what_is_wrong(config: Path) -> None:
    document = json.loads(docs(config, "asyncapi"))
    document["operations"]["publish.orders"]["action"] = "shout"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(OFFICIAL).validate(document)


def test_every_reference_leads_somewhere(config: Path) -> None:
    document = json.loads(docs(config, "asyncapi"))

    def follow(reference: str) -> None:
        at = document
        for part in reference.removeprefix("#/").split("/"):
            at = at[part.replace("~1", "/").replace("~0", "~")]

    references = [part.split('"')[0] for part in json.dumps(document).split('"$ref": "')[1:]]
    assert len(references) > 10
    for reference in references:
        follow(reference)


def test_the_demonstrations_routes_are_documented() -> None:
    demo = Path(str(resource("config", "demo.toml")))
    jsonschema.Draft7Validator(OFFICIAL).validate(json.loads(docs(demo, "asyncapi")))
    assert "## crm.contact" in docs(demo, "markdown")


def test_the_page_is_utf_8_whatever_the_locale(config: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-m", "bridge", "docs", "markdown", "--title", "Größen in \N{EURO SIGN}"]
    done = subprocess.run([*command, "--config", str(config)], env=environment, capture_output=True, check=True)
    assert done.stdout.decode("utf-8").startswith("# Größen in \N{EURO SIGN}\n")


def test_the_page_says_what_is_in_each_topic(config: Path) -> None:
    page = docs(config, "markdown")
    assert page.startswith("# Events of shop\n")
    assert "| `amount` | decimal(12, 2) |  |" in page
    assert "| `at` | timestamp-micros or null |  |" in page
    assert "| `lines` | array of shop.Line | Each \\`line\\`. |" in page or "array of Line" in page
    assert "| `lines.sku` | string |  |" in page
    assert "Somebody \\| &lt;b&gt;paid&lt;/b&gt;." in page
    assert "- Masked: card" in page
    assert "- Headers: team: a\\|b" in page
    assert "- A tombstone follows a DELETE" in page
    assert "<b>" not in page

"""When certificates expire, in all places where a configuration names them; read again when they are replaced."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from bridge.admin.checks.certificates import expiry
from bridge.admin.checks.check import Level
from bridge.from_file import FromFile
from bridge.settings import DatabaseSettings, KafkaSettings, Settings
from bridge.telemetry.certificates import Certificate, Certificates, read_certificates
from bridge.telemetry.metrics import Metrics

NOW = datetime.now(UTC).replace(microsecond=0)
AUTHORITY = trustme.CA()
Write = Callable[[str, bytes], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    return write


def leaf(days: int) -> trustme.LeafCert:
    end = NOW + timedelta(days=days)
    return AUTHORITY.issue_cert("x@example.org", not_before=NOW - timedelta(days=400), not_after=end)


def chain(days: int) -> bytes:
    """With its key, as one file may have it."""
    return leaf(days).private_key_and_cert_chain_pem.bytes()


def keystore(days: int, password: str) -> bytes:
    made = leaf(days)
    key = load_pem_private_key(made.private_key_pem.bytes(), None)
    (certificate,) = x509.load_pem_x509_certificates(made.cert_chain_pems[0].bytes())
    return serialize_key_and_certificates(b"x", key, certificate, None, BestAvailableEncryption(password.encode()))  # type: ignore[arg-type]


def told(settings: Settings) -> dict[tuple[str, str], int]:
    """Days until the end, by server and use, as the metric has them."""
    certificates = Certificates(settings)
    certificates.look()
    (family,) = certificates.collect()
    return {
        (one.labels["server"], one.labels["use"]): round((one.value - NOW.timestamp()) / 86400)
        for one in family.samples
    }


def test_each_place_that_names_a_certificate_is_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    client = write("client.pem", chain(30))
    ca = write("ca.pem", leaf(-5).cert_chain_pems[0].bytes() + leaf(40).cert_chain_pems[0].bytes())
    url = f"postgresql://us@db.example/db?sslmode=verify-full&sslcert={client}&sslrootcert={ca}"
    assert told(Settings(database=DatabaseSettings(url))) == {("postgres", "client"): 30, ("postgres", "ca"): 40}
    monkeypatch.setenv("PGSSLCERT", write("other.pem", chain(20)))
    system = DatabaseSettings("postgresql://us@db.example/db?sslrootcert=system")
    assert told(Settings(database=system)) == {("postgres", "client"): 20}

    files = KafkaSettings("", {"ssl.certificate.location": client, "ssl.ca.location": ca})
    assert told(Settings(kafka=files)) == {("kafka", "client"): 30, ("kafka", "ca"): 40}
    texts = KafkaSettings("", {"ssl.certificate.pem": chain(9).decode(), "ssl.ca.pem": FromFile(ca)})
    assert told(Settings(kafka=texts)) == {("kafka", "client"): 9, ("kafka", "ca"): 40}
    store = {
        "ssl.keystore.location": write("store.p12", keystore(7, "canary")),
        "ssl.keystore.password": "canary",
        "ssl.ca.location": str(Path(ca).parent),
    }
    assert told(Settings(kafka=KafkaSettings("", store))) == {("kafka", "client"): 7}
    assert told(Settings()) == {}


def test_a_replaced_file_is_read_again_and_what_cannot_be_read_is_said_once(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    file = write("client.pem", chain(30))
    certificates = Certificates(Settings(kafka=KafkaSettings("", {"ssl.certificate.location": file})))
    for content, samples, lines in ((chain(30), 1, 0), (b"canary", 0, 1), (b"canary", 0, 1), (chain(3), 1, 1)):
        write("client.pem", content)
        with caplog.at_level(logging.WARNING):
            certificates.look()
        (family,) = certificates.collect()
        assert (len(family.samples), len(caplog.records)) == (samples, lines)
    Path(file).unlink()
    certificates.look()
    assert "the certificate of kafka in" in caplog.text
    assert caplog.messages[-1].endswith("cannot be read: No such file or directory")
    assert "canary" not in caplog.text


def test_they_are_told_while_postgres_is_away(write: Write) -> None:
    """For it may be away because of one that has expired."""
    file = write("client.pem", chain(-1))
    url = f"postgresql://us@127.0.0.1:1/db?sslmode=verify-full&sslcert={file}"
    metrics = Metrics(Settings(database=DatabaseSettings(url)))
    metrics.survey.look()
    page, _ = metrics.render("")
    assert b'bridge_certificate_not_after_timestamp_seconds{server="postgres",use="client"} ' in page
    assert b"bridge_survey_failures_total 1.0" in page


@pytest.mark.parametrize(
    ("days", "level", "words"),
    [
        (-1, Level.PROBLEM, "has expired"),
        (13, Level.PROBLEM, "expires soon"),
        (15, Level.OK, "for 15 days"),
    ],
)
def test_what_doctor_says(days: int, level: Level, words: str) -> None:
    check = expiry(Certificate("kafka", "client", "a.pem", NOW + timedelta(days=days), None), NOW)
    assert (check.level, check.name) == (level, "kafka client certificate")
    assert words in check.text


def test_doctor_names_what_cannot_be_read(tmp_path: Path) -> None:
    gone = Settings(kafka=KafkaSettings("", {"ssl.ca.location": str(tmp_path / "gone.pem")}))
    (found,) = read_certificates(gone)
    check = expiry(found, NOW)
    assert check.level is Level.PROBLEM
    assert check.text.endswith("gone.pem cannot be read: No such file or directory")

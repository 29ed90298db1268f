"""Header names that no client would write, given to librdkafka itself."""

from __future__ import annotations

import ctypes
from pathlib import Path

import confluent_kafka

TOPIC, VALUE, HEADERS, END = 1, 4, 10, 0  # rd_kafka_vtype_t


def produce(bootstrap_servers: str, topic: str, value: bytes, headers: dict[bytes, bytes]) -> None:
    """One record to partition 0 or any other; its headers' names are bytes."""
    (library,) = Path(confluent_kafka.__file__).parents[1].glob("confluent_kafka.libs/librdkafka-*")
    rdkafka = ctypes.CDLL(str(library))
    for function in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_headers_new"):
        getattr(rdkafka, function).restype = ctypes.c_void_p
    conf, complaint = ctypes.c_void_p(rdkafka.rd_kafka_conf_new()), ctypes.create_string_buffer(512)
    rdkafka.rd_kafka_conf_set(conf, b"bootstrap.servers", bootstrap_servers.encode(), complaint, 512)
    producer = ctypes.c_void_p(rdkafka.rd_kafka_new(0, conf, complaint, 512))
    found = ctypes.c_void_p(rdkafka.rd_kafka_headers_new(ctypes.c_size_t(len(headers))))
    for name, content in headers.items():
        sizes = ctypes.c_ssize_t(len(name)), ctypes.c_ssize_t(len(content))
        rdkafka.rd_kafka_header_add(found, name, sizes[0], content, sizes[1])
    kind = ctypes.c_int
    given = (kind(TOPIC), topic.encode(), kind(VALUE), value, ctypes.c_size_t(len(value)), kind(HEADERS), found)
    assert rdkafka.rd_kafka_producev(producer, *given, kind(END)) == 0
    assert rdkafka.rd_kafka_flush(producer, 10_000) == 0
    rdkafka.rd_kafka_destroy(producer)

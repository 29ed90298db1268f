"""Which partition a key goes to: what the producers' `murmur2_random` computes, as Java's producers do."""

from __future__ import annotations

SEED = 0x9747B28C
FACTOR = 0x5BD1E995
BITS = 0xFFFFFFFF


def key_hash(key: bytes) -> int:
    """Kafka's murmur2 of a key, without its sign. The partition is this modulo the number of partitions."""
    h = (SEED ^ len(key)) & BITS
    whole = len(key) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(key[at : at + 4], "little") * FACTOR & BITS
        k = (k ^ k >> 24) * FACTOR & BITS
        h = h * FACTOR & BITS ^ k
    if whole < len(key):
        h = (h ^ int.from_bytes(key[whole:], "little")) * FACTOR & BITS
    h = (h ^ h >> 13) * FACTOR & BITS
    return (h ^ h >> 15) & 0x7FFFFFFF

"""Which Kafka partition an event would be in: the same as on a cluster with as many partitions."""

from functools import lru_cache

_MASK = 0xFFFFFFFF
_MULTIPLIER = 0x5BD1E995
_SHORT = 64  # characters; of longer keys none is remembered


def partition_of(key: str | None, offset: int, partitions: int) -> int:
    """By key as Kafka's default partitioner does it; without a key in turn (Kafka: in batches, by chance)."""
    if key is None:
        return offset % partitions
    return (_hash_of_short(key) if len(key) <= _SHORT else _hash(key)) % partitions


def _hash(key: str) -> int:
    return murmur2(key.encode()) & 0x7FFFFFFF


_hash_of_short = lru_cache(maxsize=1024)(_hash)  # the events of a saga have the same key


def murmur2(data: bytes) -> int:
    """Kafka: Utils.murmur2, here without a sign."""
    length = len(data)
    value = 0x9747B28C ^ length
    whole = length - length % 4
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _MULTIPLIER & _MASK
        word = (word ^ word >> 24) * _MULTIPLIER & _MASK
        value = (value * _MULTIPLIER & _MASK) ^ word
    if whole < length:
        value = (value ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _MASK
    value = (value ^ value >> 13) * _MULTIPLIER & _MASK
    return value ^ value >> 15

from itertools import pairwise

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from tests.keys import contact_key, reply_key
from worker.state.buckets import bucket_of, reply_prefix

BUCKETS = 48
IDS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("{}:\n\0 *[?\\"), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("contact_id", "hashed"),
    # As Apache Kafka's own tests expect them of its murmur2, and so of every Java producer.
    [("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536)],
)
def test_a_bucket_is_what_kafka_hashes_the_contact_to(contact_id: str, hashed: int) -> None:
    assert bucket_of(contact_id, BUCKETS) == (hashed & 0x7FFFFFFF) % BUCKETS


@pytest.mark.parametrize(
    ("contact_id", "bucket"),
    [("contact-1", 2), ("Ärjä Öström", 28), ("{17}", 44), ("\0\n", 8), ("x" * 1_000, 30)],
)
def test_the_bucket_of_a_contact_never_changes(contact_id: str, bucket: int) -> None:
    assert bucket_of(contact_id, BUCKETS) == bucket


@given(contact_id=IDS, partitions=st.sampled_from([1, 2, 3, 4, 6, 8, 12, 16, 24, 48]))
def test_a_partition_owns_its_buckets_alone(contact_id: str, partitions: int) -> None:
    every = list(range(partitions))
    partition = DefaultPartitioner()(contact_id.encode(), every, every)

    assert bucket_of(contact_id, BUCKETS) % partitions == partition


@given(bucket=st.integers(0, 16_383), contact_id=IDS, call_id=IDS)
def test_an_id_does_not_choose_the_slot_of_its_keys(bucket: int, contact_id: str, call_id: str) -> None:
    slot = key_slot(b"%d" % bucket)

    assert key_slot(contact_key(bucket, contact_id).encode()) == slot
    assert key_slot(reply_key(bucket, contact_id, call_id).encode()) == slot


def _keys(contact_id: str, call_id: str) -> list[str]:
    return [contact_key(7, contact_id), reply_key(7, contact_id, call_id)]


@given(one=st.tuples(IDS, IDS), other=st.tuples(IDS, IDS))
def test_no_two_calls_share_a_key(one: tuple[str, str], other: tuple[str, str]) -> None:
    shared = set(_keys(*one)) & set(_keys(*other))

    assert (contact_key(7, one[0]) in shared) == (one[0] == other[0])
    assert (reply_key(7, *one) in shared) == (one == other)


@given(text=st.text("a:1{}\n", min_size=2, max_size=12))
def test_no_two_ways_to_cut_a_text_into_ids_share_a_key(text: str) -> None:
    keys = [reply_key(7, text[:cut], text[cut:]) for cut in range(1, len(text))]

    assert len(set(keys)) == len(keys)


@given(one=IDS, other=IDS, call_id=IDS)
def test_a_prefix_finds_the_replies_of_one_contact_only(one: str, other: str, call_id: str) -> None:
    assert reply_key(7, other, call_id).startswith(reply_prefix(7, one)) == (one == other)


@pytest.mark.parametrize("nodes", [2, 3, 4, 6])
def test_the_buckets_spread_over_the_nodes_of_a_cluster(nodes: int) -> None:
    slots = sorted(key_slot(contact_key(bucket, "any").encode()) for bucket in range(BUCKETS))
    bounds = [16_384 * node // nodes for node in range(nodes + 1)]
    shares = [sum(low <= slot < high for slot in slots) for low, high in pairwise(bounds)]

    assert min(shares) >= BUCKETS / nodes / 2

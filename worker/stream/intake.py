"""The consumer's side: both input topics, fetched, put in order, and committed after all else is done.

Records are handed out as batches, which are in hand until they are done. A rebalance waits for what is in hand and
commits it, so that a partition is given up only with its work committed, and what was fetched but not handed out is
forgotten: the next owner, which may be this replica again, reads it anew from the committed offsets.
"""

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from worker.stream.connection import KafkaConnection
from worker.stream.lane import Lane
from worker.stream.log_ends import LogEnds
from worker.stream.records import Assignment, SourceRecord, ends_of
from worker.stream.topics import CallTopics
from worker.stream.unpacking import UnreadableBatch

MAX_BATCH: Final = 1_000
"""Records in a batch: enough to spread a round trip thin. With 500 each takes 5 % more CPU, with 2,000 no less."""

PROMPT_BATCH: Final = 250
"""Records in a batch while a partition has no backlog: its calls wait for one or two of others' batches."""

_SHARE: Final = 128
"""Records of one partition that are read, and of one index that are handled, before it is another's turn. What is new
of a partition without a backlog is within it. Each index in a batch has its part of a request to the brokers, so not a
few of each of a hundred."""

_READ_TOGETHER: Final = 32
"""Partitions that are read further for a batch where more could be: each costs 20 µs."""

MAX_BACKLOG: Final = 12_000
"""Records, of all partitions, that may lie decoded and not handled: each partition of a topic has its share, and is
not read further while it is full."""

MAX_BACKLOG_BYTES: Final = 8 * 1024 * 1024
"""The same in bytes, since one record may be as large as the brokers take."""

_METADATA_AGE_MS: Final = 10_000
"""How soon new partitions are noticed: calls in them wait that long."""

_FETCH_MAX_BYTES: Final = 1024 * 1024
"""Of one answer of a broker, as it is in the log. aiokafka holds two: one being read from, one on its way."""

_PARTITION_FETCH_BYTES: Final = 256 * 1024
"""Of one partition in an answer: so that a few that are behind leave room for others."""

_FETCHED_BYTES: Final = 12 * 1024 * 1024
"""Of all partitions, since aiokafka holds an answer's part of each until it was read to its end: with 256 kB of each a
worker of 96 indexes took 141 MB, with 64 kB it takes 120. A larger batch still comes whole, one in an answer."""

_LEAST_FETCH_BYTES: Final = 16 * 1024
"""Of one partition, of however many: the batch of a producer as Kafka configures it."""

_POLL_MS: Final = 200
_ORDER_POLL_MS: Final = 5
_UNBOUNDED_MS: Final = 2**31 - 1


class _Fetching(NamedTuple):
    """How long a broker may hold a fetch that finds less than so many bytes."""

    wait_ms: int
    bytes: int


_SELDOM: Final = _Fetching(50, 1)
"""While nothing comes. Kafka answers as soon as a record does, so this costs it some empty answers and delays none; the
demo's broker answers only when the time is over."""
_BUSY: Final = _Fetching(3, 64 * 1024)
"""While records come. Without it a fetch brings one record or two, and to ask for each keeps two cores from the calls
themselves: at 500 calls a second the worker took 86 % of a core, with it 62, and of 100 calls the last waited less."""

_UNREADABLE_RETRY_S: Final = 10.0
"""How long the partition of a damaged batch is left alone before it is read again."""

log = structlog.get_logger(__name__)


class Intake(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka ships no type information
    """A member of the consumer group."""

    def __init__(self, connection: KafkaConnection, topics: CallTopics, group_id: str, session_timeout_ms: int) -> None:
        self._topics = topics
        self._inputs = topics.inputs
        self._lanes: dict[int, Lane] = {}
        self._partitions: list[TopicPartition] = []
        """Those of the lanes."""
        self._assignment: Assignment | None = None
        self._is_served = False
        self._reads = 0
        self._read_last: dict[TopicPartition, int] = {}
        """When each partition was read last, where several waited for it: counted in reads."""
        self._in_hand: deque[Sequence[SourceRecord]] = deque()
        """Batches that were handed out and are not done, in the order in which they were."""
        self._done: dict[TopicPartition, int] = {}
        """Offsets to be committed."""
        self._commit_lock = asyncio.Lock()
        self._unreadable: dict[TopicPartition, tuple[float, int]] = {}
        """Partitions that are left alone for now, and the offset of the damaged batch."""
        self._nothing_in_hand = asyncio.Event()
        self._nothing_in_hand.set()
        self._assigned = asyncio.Event()
        self._waits_exceeded = 0
        self._asking: asyncio.Task[None] | None = None
        self._consumer = AIOKafkaConsumer(
            **connection.client_options(),
            group_id=group_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=_SELDOM.wait_ms,
            fetch_min_bytes=_SELDOM.bytes,
            metadata_max_age_ms=_METADATA_AGE_MS,
            fetch_max_bytes=_FETCH_MAX_BYTES,
            max_partition_fetch_bytes=_PARTITION_FETCH_BYTES,
            partition_assignment_strategy=(RangePartitionAssignor,),
            # A batch may wait for Redis as long as it takes; a client that left the group for that would not come
            # back by itself. Who is dead is told by the session timeout.
            max_poll_interval_ms=_UNBOUNDED_MS,
            session_timeout_ms=session_timeout_ms,
            heartbeat_interval_ms=session_timeout_ms // 3,
        )
        self._log_ends = LogEnds(self._consumer._client)  # noqa: SLF001 - one client, which knows the topics

    async def start(self) -> None:
        """Connect and ask to join the group. Raises aiokafka's `KafkaError` if no broker answers."""
        await self._consumer.start()
        # Else nothing is fetched for 100 ms while a partition waits to be read further, not even of the others.
        self._consumer._fetcher._prefetch_backoff = 0  # noqa: SLF001 - aiokafka has no public way to say so
        self._consumer.subscribe(self._inputs, listener=self)

    async def stop(self) -> None:
        """Leave the group. What is in hand or done and not committed stays so."""
        self._nothing_in_hand.set()
        if self._asking is not None:
            self._asking.cancel()
        await self._consumer.stop()

    async def ping(self) -> None:
        """Ask the brokers for their metadata. Raises if none answers."""
        await self._consumer._client.fetch_all_metadata()  # noqa: SLF001 - aiokafka has no public way to ask

    @property
    def is_assigned(self) -> bool:
        """Whether the group gave this replica its partitions, which may be none, and it has taken them over."""
        return self._assigned.is_set() and self._is_served

    @property
    def assignment(self) -> Assignment | None:
        """What the group gave this replica; `None` while that is being decided."""
        return self._assignment

    def serve(self, assignment: Assignment) -> None:
        """Let the records of the assignment be handed out, if it still is the one: its partitions are taken over."""
        if assignment is self._assignment:
            self._is_served = True

    def start_over(self) -> None:
        """Take back what is in hand and all that was fetched, as if the group had just given the partitions."""
        assignment = self._assignment
        unreadable, self._unreadable = self._unreadable, {}
        for tp in self._consumer.assignment():
            lane = self._lanes.get(tp.partition)
            back = (r.offset for batch in self._in_hand for r in batch if (r.topic, r.partition) == tp)
            first = next(back, None)
            first = first if first is not None else lane.first_offset(tp.topic) if lane else None
            if first is None and tp in unreadable:
                _, first = unreadable[tp]
            if first is not None:
                self._consumer.seek(tp, first)
        self._is_served = False
        self._waits_exceeded = self.waits_exceeded
        if assignment is not None:
            self._open_lanes(assignment.indexes)
            self._assignment = Assignment(*assignment)
        self._in_hand.clear()
        self._let_go()

    @property
    def waits_exceeded(self) -> int:
        """Records that were handled though earlier ones of the other topic may still have come."""
        return self._waits_exceeded + sum(lane.waits_exceeded for lane in self._lanes.values())

    def lag(self) -> dict[tuple[str, int], int]:
        """Records behind the end of the log, by topic and partition, as of the latest fetches."""
        lags = {}
        for tp in self._consumer.assignment():
            end, lane = self._consumer.highwater(tp), self._lanes.get(tp.partition)
            if end is not None and lane is not None and (position := self._position(tp)) is not None:
                lags[tp.topic, tp.partition] = max(0, end - position) + lane.backlog(tp.topic)
        return lags

    async def fetch(self) -> list[SourceRecord]:
        """Fetch the next batch, in the order of handling within each partition index.

        Empty when nothing came for a while. A batch is in hand until it was committed. Raises aiokafka's `KafkaError`.
        """
        if not self._assigned.is_set():
            self._consumer._coordinator.check_errors()  # noqa: SLF001 - else told to who polls, and polling would hang
            with suppress(TimeoutError):
                await asyncio.wait_for(self._assigned.wait(), _POLL_MS / 1_000)
            return []
        await self._fill(timeout_ms=0)  # what has come is taken in first, so that no partition waits for another's
        await self._answered()
        batch = self._take()
        if not batch:
            if self._asking is None:  # else it is the answer that may let something go
                await self._fill(timeout_ms=_ORDER_POLL_MS if self._in_lanes() else _POLL_MS)
            await self._answered()
            batch = self._take()
        self._fetch_as(_BUSY if batch else _SELDOM)
        if batch:
            self._in_hand.append(batch)
            self._nothing_in_hand.clear()
        return batch

    @property
    def uncommitted(self) -> bool:
        """Whether anything is done and not committed."""
        return bool(self._done)

    def done(self, batch: Sequence[SourceRecord]) -> None:
        """Take the batch that was handed out first for done: its last record of each partition is the last handled."""
        self._done |= {TopicPartition(topic, index): end for (topic, index), end in ends_of(batch).items()}
        self._in_hand.popleft()
        self._let_go()

    async def commit(self) -> None:
        """Commit all that is done. Raises aiokafka's `KafkaError`; then it is still to be committed."""
        async with self._commit_lock:  # so that an earlier offset does not arrive after a later one
            offsets, self._done = self._done, {}
            if not offsets:
                return
            assignment = self._assignment
            try:
                await self._consumer.commit(offsets)
            except (CommitFailedError, IllegalStateError):
                # The group gave the partitions away meanwhile. All of it is stored and published; the next owner
                # reads it again, finds the decisions, and knows from the log that they are out.
                log.warning("commit_superseded", partitions=_indexes(offsets))
                if assignment is self._assignment:
                    # Given up at once, not when the group calls: taken over anew before that, because Redis lost
                    # something, they would be served without the outcomes that are done and, to the logs, not handled.
                    self._give_up()
            except BaseException:
                self._done = offsets | self._done
                raise

    def _let_go(self) -> None:
        if not self._in_hand:
            self._nothing_in_hand.set()

    def give_back(self, batch: Sequence[SourceRecord]) -> None:
        """Take the batch that was handed out last back unhandled: it is handed out again, here or by the next owner."""
        by_partition: defaultdict[int, list[SourceRecord]] = defaultdict(list)
        for record in batch:
            by_partition[record.partition].append(record)
        for index, records in by_partition.items():
            if lane := self._lanes.get(index):
                lane.put_back(records)
        self._in_hand.pop()
        self._let_go()

    # The group, called by aiokafka's coordinator, which swallows what these raise.

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Give up every partition, once what is in hand is done, and committed if the brokers let it be."""
        self._assigned.clear()
        await self._nothing_in_hand.wait()
        try:
            await self.commit()
        except KafkaError as error:
            # Like a commit that is superseded: it costs the next owner to find all of it decided.
            log.warning("not_committed", partitions=_indexes(self._done), reason=str(error) or type(error).__name__)
            self._done = {}
        self._give_up()
        if revoked:
            log.info("partitions_revoked", partitions=_indexes(revoked))

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Note the partitions. No record of theirs is handed out before they are taken over."""
        count = len(self._consumer.partitions_for_topic(self._topics.call_requested) or assigned)
        self._assignment, self._is_served = Assignment(frozenset(_indexes(assigned)), count), False
        self._open_lanes(self._assignment.indexes)
        part = max(_LEAST_FETCH_BYTES, _FETCHED_BYTES // max(1, len(self._partitions)))
        fetcher = self._consumer._fetcher  # noqa: SLF001 - aiokafka reads it for each fetch, and has no public way
        fetcher._max_partition_fetch_bytes = min(_PARTITION_FETCH_BYTES, part)  # noqa: SLF001
        self._assigned.set()
        log.info("partitions_assigned", partitions=_indexes(assigned))

    def _give_up(self) -> None:
        self._assigned.clear()
        self._assignment, self._is_served = None, False
        self._waits_exceeded = self.waits_exceeded
        self._open_lanes(())
        self._unreadable = {}

    def _open_lanes(self, indexes: Collection[int]) -> None:
        # Replaced, not emptied: who still waits for an answer about the old lanes sees that they are not the lanes.
        self._lanes = {index: Lane(self._inputs) for index in indexes}
        self._partitions = [TopicPartition(topic, index) for index in indexes for topic in self._inputs]

    # Filling the lanes

    def _fetch_as(self, fetching: _Fetching) -> None:
        fetcher = self._consumer._fetcher  # noqa: SLF001 - aiokafka reads these for each fetch, and has no public way
        fetcher._fetch_max_wait_ms, fetcher._fetch_min_bytes = fetching  # noqa: SLF001

    async def _answered(self) -> None:
        """Wait for the answer about the ends of logs, if they were asked for: it is mostly there in a millisecond."""
        if self._asking is not None:
            await asyncio.wait({self._asking}, timeout=_ORDER_POLL_MS / 1_000)

    async def _fill(self, *, timeout_ms: int) -> None:
        if not self._assigned.is_set():
            return  # getmany would wait for the assignment, however long, and could not be told to stop
        lanes = self._lanes
        self._try_unreadable_again(time.monotonic())
        room = self._room()
        if lanes and not room:
            await asyncio.sleep(timeout_ms / 1_000)  # getmany of no partitions would be of all
            return
        came = self._consumer._fetcher._records  # noqa: SLF001 - aiokafka has no public way to see whose have come
        ready = [tp for tp in room if tp in came]
        if len(ready) > 1:
            # Each its share, first those of which least waits, and of them those that were not read for longest. Asked
            # for all of them at once, aiokafka gives the whole of one before any of the next.
            ready.sort(key=lambda tp: (lanes[tp.partition].backlog(tp.topic), self._read_last.get(tp, 0)))
            left = MAX_BATCH
            for tp in ready[:_READ_TOGETHER]:
                self._reads += 1
                self._read_last[tp] = self._reads
                left -= await self._read([tp], lanes, 0, max_records=min(_SHARE, left, self._room_of(tp)))
                if not left or lanes is not self._lanes:
                    break
        elif ready:
            await self._read(ready, lanes, timeout_ms, max_records=min(MAX_BATCH, self._room_of(ready[0])))
        elif timeout_ms:
            await self._read(room, lanes, timeout_ms, max_records=MAX_BATCH)
        self._learn_positions()
        self._ask_ends()

    async def _read(
        self, partitions: Sequence[TopicPartition], lanes: Mapping[int, Lane], timeout_ms: int, *, max_records: int
    ) -> int:
        """Take in what has come of the partitions, or comes soon: not all, as what is compressed should stay so."""
        fetched = await self._consumer.getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        if lanes is not self._lanes or not self._assigned.is_set():
            # A rebalance came between, and these are of the new assignment, whose lanes take nothing before the
            # partitions are taken over.
            self._put_back(fetched)
            return 0
        now_s = time.monotonic()
        for tp, records in fetched.items():
            if isinstance(records[-1], UnreadableBatch):
                self._leave_alone(tp, records.pop(), now_s)
            lanes[tp.partition].add(tp.topic, records, now_s)
        return sum(map(len, fetched.values()))

    def _put_back(self, fetched: Mapping[TopicPartition, Sequence[SourceRecord]]) -> None:
        for tp, records in fetched.items():
            if tp in self._consumer.assignment():
                self._consumer.seek(tp, records[0].offset)

    def _leave_alone(self, tp: TopicPartition, batch: UnreadableBatch, now_s: float) -> None:
        self._unreadable[tp] = now_s + _UNREADABLE_RETRY_S, batch.offset
        log.error(
            "batch_unreadable",
            topic=batch.topic,
            partition=batch.partition,
            offset=batch.offset,
            reason=batch.reason,
            retry_s=_UNREADABLE_RETRY_S,
            mend="the partition waits, the others go on; give its leadership to a broker that has the batch whole, or "
            "stop the workers and move the group's offset past it with kafka-consumer-groups",
        )

    def _try_unreadable_again(self, now_s: float) -> None:
        for tp, (until_s, offset) in list(self._unreadable.items()):
            if until_s <= now_s:
                del self._unreadable[tp]
                self._consumer.seek(tp, offset)  # what was fetched is thrown away, and fetched anew

    def _learn_positions(self) -> None:
        for index, lane in self._in_lanes().items():
            for topic in lane.sought():
                position = self._position(TopicPartition(topic, index))
                if position is not None:
                    lane.learn_position(topic, position)

    def _ask_ends(self) -> None:
        """Ask where the logs end that decide what may go next, one request at a time, without waiting for it."""
        if self._asking is not None:
            return
        unknown = [TopicPartition(topic, index) for index, lane in self._in_lanes().items() for topic in lane.unknown()]
        if unknown:
            self._asking = asyncio.create_task(self._learn_ends(self._lanes, unknown), name="log ends")

    async def _learn_ends(self, lanes: Mapping[int, Lane], unknown: Sequence[TopicPartition]) -> None:
        asked_at_s = time.monotonic()
        try:
            for tp, end in (await self._log_ends.of(unknown)).items():
                lanes[tp.partition].learn_end(tp.topic, end, asked_at_s)
            if lanes is self._lanes:
                self._learn_positions()
        except KafkaError as error:
            # Asked again by the next fetch. If it stays unknown, the lanes' bound on waiting lets the records go.
            log.warning("log_ends_unknown", error=str(error) or type(error).__name__)
        finally:
            self._asking = None

    def _take(self) -> list[SourceRecord]:
        if not self.is_assigned:
            return []
        now_s = time.monotonic()
        batch: list[SourceRecord] = []
        # First those of which little waits, the least first, that they do not wait behind the backlogs of others; of
        # these a share, and then what is left of the batch to any.
        most = self._batch_size()
        waiting = self._in_lanes()
        little = [index for index, lane in waiting.items() if lane.waiting <= _SHARE]
        little.sort(key=lambda index: waiting[index].waiting)
        much = [index for index, lane in waiting.items() if lane.waiting > _SHARE]
        for indexes, share in ((little, _SHARE), (much, _SHARE), (much, most)):
            for index in indexes:
                if len(batch) == most:
                    return batch
                lane = self._lanes.pop(index)  # and in again at the end, so that no index starves the others
                self._lanes[index] = lane
                batch += lane.take(min(share, most - len(batch)), now_s)
        return batch

    def _batch_size(self) -> int:
        """Records that the next batch may have."""
        if sum([lane.waiting for lane in self._lanes.values()]) <= PROMPT_BATCH:
            return PROMPT_BATCH
        behind = Counter[int]()
        for (_, index), records in self.lag().items():
            behind[index] += records
        return MAX_BATCH if all(behind[index] > _SHARE for index in self._lanes) else PROMPT_BATCH

    def _in_lanes(self) -> dict[int, Lane]:
        """The lanes in which something waits."""
        return {index: lane for index, lane in self._lanes.items() if lane.waiting}

    def _room(self) -> list[TopicPartition]:
        """The partitions that may be read further. Of the others the consumer keeps what it has, and fetches no more.

        They are not paused: aiokafka would throw away what it has fetched of them, to fetch it again.
        """
        waiting = (TopicPartition(topic, index) for index in self._in_lanes() for topic in self._inputs)
        closed = {tp for tp in waiting if not self._room_of(tp)} | self._unreadable.keys()
        return [tp for tp in self._partitions if tp not in closed] if closed else self._partitions

    def _room_of(self, tp: TopicPartition) -> int:
        """How many more records of the partition may be read at once."""
        shares = len(self._partitions)
        return self._lanes[tp.partition].room(tp.topic, -(-MAX_BACKLOG // shares), -(-MAX_BACKLOG_BYTES // shares))

    def _position(self, tp: TopicPartition) -> int | None:
        # AIOKafkaConsumer.position() is a coroutine that waits for a position; this one is asked per fetch.
        assignment = self._consumer._subscription.subscription.assignment  # noqa: SLF001
        if assignment is None or tp not in assignment.tps:
            return None
        state = assignment.state_value(tp)
        return state.position if state.has_valid_position else None


def _indexes(partitions: Iterable[TopicPartition]) -> list[int]:
    return sorted({tp.partition for tp in partitions})

"""The order of the steps, and what the loop does when one of them fails or another replica was first."""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from schemas.settings import ProjectSettings
from tests.unit.loop.test_reading import REQUEST, Record
from worker.loop.delivery import Delivery
from worker.loop.limit import NO_LIMIT_PERCENT, DeadLetterLimit
from worker.loop.loop import Loop
from worker.loop.patience import Patience
from worker.loop.reading import Refused
from worker.loop.recovery import Recollection
from worker.loop.report import BatchReport
from worker.loop.takeover import TakeOver
from worker.selection.history import ContactHistory
from worker.selection.routing import Project, Routing
from worker.state.marks import Guard, Mark
from worker.state.store import Change, NewerFormatError, Place, Snapshot, StateError, StateLostError
from worker.stream.call_logs import Standing
from worker.stream.records import Assignment, Outbox, SourceRecord
from worker.stream.replies import PublishedOffsets
from worker.stream.topics import CallTopics

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
NUMBERS = ("+358912345671", "+358912345672")


class OutageError(Exception):
    """What a server that is down makes a client raise."""


class World:
    """Kafka and Redis as far as the loop sees them, writing down every step; a step may be made to fail."""

    def __init__(self, batches: Sequence[Sequence[Record]]) -> None:
        self.batches = [list(batch) for batch in batches]
        self.steps: list[str] = []
        self.failing: list[str] = []
        self.published: list[bytes] = []
        self.uncommitted: list[SourceRecord] = []
        self.committed: list[SourceRecord] = []
        self.stored: dict[str, tuple[ContactHistory, int, dict[str, bytes]]] = {}
        self.first: list[Change] = []
        """Changes that another replica makes just before the next write."""
        self.out_already: set[int] = set()
        self.losing: list[str] = []
        """Steps at which Redis turns out to have lost something."""
        self.faults: dict[str, StateError] = {}
        self.marks: list[dict[int, Mark | bytes]] = []
        self.guards: Mapping[int, Mapping[int, Guard]] = {}
        self.assignment = Assignment(frozenset([0]), 1)
        self.reports: list[BatchReport] = []
        self.version = 1
        self.routings = 0
        self.limit = DeadLetterLimit(NO_LIMIT_PERCENT, 1_000)
        self.over_limit: list[Sequence[Refused]] = []
        self.now = NOW

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if name in self.failing:
            self.failing.remove(name)
            raise OutageError(name)

    async def fetch(self) -> list[SourceRecord]:
        self._step("fetch")
        return list(self.batches.pop(0)) if self.batches else []

    def serve(self, assignment: Assignment) -> None:
        assert assignment is self.assignment

    def start_over(self) -> None:
        self._step("start over")
        self.assignment = Assignment(*self.assignment)

    async def standings(self, indexes: Collection[int]) -> tuple[dict[int, Standing], PublishedOffsets]:
        self._step("look at the logs")
        published = {("call-requested", 0): max(self.out_already, default=-1)}
        return {index: Standing(Mark(), Mark(9, 9, 9)) for index in indexes}, published

    def recall(self, starts: Mapping[int, Mark], ends: Mapping[int, Mark]) -> Recollection:
        raise AssertionError(starts, ends)  # nothing is lost when it is looked for

    reply_retention_ms = 1

    def buckets_of(self, index: int, partitions: int) -> range:
        return range(index, 2, partitions)

    def place_of(self, contact_id: str, partitions: int) -> Place:
        raise AssertionError(contact_id, partitions)

    async def marks_of(self, places: Collection[Place]) -> dict[Place, bytes | None]:
        return dict.fromkeys(places, b"0 0 0")

    async def forget(
        self, places: Collection[Place], token: bytes, partitions: int, going_on: Callable[[], None]
    ) -> None:
        raise AssertionError(places, token, partitions, going_on)

    def guard(self, guards: Mapping[int, Mapping[int, Guard]]) -> None:
        self.guards = guards

    def done(self, batch: Sequence[SourceRecord]) -> None:
        self.uncommitted += batch

    async def commit(self) -> None:
        if self.uncommitted:
            self._step("commit")
            self.committed += self.uncommitted
            self.uncommitted.clear()

    def give_back(self, batch: Sequence[SourceRecord]) -> None:
        self.steps.append("give back")
        self.batches.insert(0, list(batch))  # type: ignore[arg-type] # they are what was handed out

    async def publish(self, outbox: Outbox) -> Mapping[int, int]:
        self._step("publish")
        self.published += [reply.value for reply in outbox.replies]
        return {0: len(self.published)}

    async def read(self, calls: Mapping[str, Collection[str]]) -> dict[str, Snapshot]:
        self._step("read")
        self._find_lost()
        snapshots = {}
        for contact_id, call_ids in calls.items():
            history, version, replies = self.stored.get(contact_id, (ContactHistory(), 0, {}))
            kept = {call_id: replies[call_id] for call_id in call_ids if call_id in replies}
            fault = self.faults.get(contact_id)
            snapshots[contact_id] = Snapshot(history, version, kept, fault)
        return snapshots

    def _find_lost(self) -> None:
        if self.steps[-1] in self.losing:
            self.losing.remove(self.steps[-1])
            raise StateLostError([0])

    async def write(self, changes: Sequence[Change], marks: Mapping[int, Mark | bytes]) -> set[str]:
        self._step("write")
        self._find_lost()
        self.marks.append(dict(marks))
        while self.first:
            self._store(self.first.pop())
        return {change.contact_id for change in changes if not self._store(change)}

    def _store(self, change: Change) -> bool:
        _, version, replies = self.stored.get(change.contact_id, (ContactHistory(), 0, {}))
        if version != change.version:
            return False
        self.stored[change.contact_id] = (change.history, version + 1, {**replies, **change.replies})
        return True

    def routing(self) -> Routing:
        self.routings += 1
        inventory = dict.fromkeys(NUMBERS, True)
        project = ProjectSettings(project_id="spring", numbers=NUMBERS)
        return Routing(self.version, numbers=inventory, projects={"spring": Project(project, inventory)})

    def takeover(self) -> TakeOver:
        return TakeOver(
            topics=CallTopics(),
            intake=self,
            logs=self,
            contacts=self,
            now=lambda: NOW,
            token=lambda: "token",
            alive=lambda: None,
        )

    def loop(self) -> Loop:
        patiently = Patience(lambda error: isinstance(error, OutageError), lambda: None)
        return Loop(
            intake=self,
            takeover=self.takeover(),
            delivery=Delivery(
                publisher=self,
                offsets=self,  # type: ignore[arg-type] # whether anything is uncommitted is a list here
                patiently=patiently,
                spawn=asyncio.create_task,
                now=lambda: self.now,
                commit_every=timedelta(seconds=1),
                observe=self.reports.append,
            ),
            contacts=self,
            routing=self.routing,
            call_requested="call-requested",
            selection_key=b"",
            now=lambda: NOW,
            patiently=patiently,
            limit=self.limit,
            over_limit=self.over_limit.append,
        )


async def turn(loop: Loop) -> None:
    """A turn of the loop, with its batch published and committed."""
    await loop.turn()
    await loop.finish()


def request(call_id: str, contact_id: str = "contact-1", offset: int = 0) -> Record:
    return Record(json.dumps({**REQUEST, "call_id": call_id, "contact_id": contact_id}).encode(), offset=offset)


def calls(values: Sequence[bytes]) -> list[str]:
    return [json.loads(value)["call_id"] for value in values]


async def test_a_batch_is_stored_before_it_is_published_and_published_before_it_is_committed() -> None:
    world = World([[request("a")]])
    await turn(world.loop())
    assert world.steps == ["look at the logs", "fetch", "read", "write", "publish", "commit"]
    assert calls(world.published) == ["a"]
    assert len(world.committed) == 1


async def test_nothing_is_done_when_nothing_came() -> None:
    world = World([])
    await turn(world.loop())
    assert world.steps == ["look at the logs", "fetch"]


async def test_of_a_batch_that_changes_nothing_the_marks_are_written_and_the_offsets_committed() -> None:
    world = World([[request("a", offset=0)], [request("a", offset=0)]])
    await turn(world.loop())
    world.steps.clear()
    world.out_already = {0}
    await turn(world.loop())  # another replica
    assert world.steps == ["look at the logs", "fetch", "read", "write", "commit"]
    assert world.marks[-1] == {0: Mark(1, 0, 0)}
    assert len(world.published) == 1
    assert world.reports[-1].not_repeated == 1


async def test_a_redelivered_request_that_was_not_published_is_published_with_the_same_bytes() -> None:
    world = World([[request("a")], [request("a")]])
    loop = world.loop()
    await turn(loop)
    world.version = 2
    await turn(loop)
    first, second = world.published
    assert first == second


async def test_a_call_that_was_not_decided_is_answered_whatever_the_log_says_of_its_offset() -> None:
    # A topic that was made anew, or offsets that were reset: the log's end tells of other records.
    world = World([[request("a", offset=0)]])
    world.out_already = {0}
    await turn(world.loop())
    assert calls(world.published) == ["a"]


@pytest.mark.parametrize("step", ["fetch", "read", "write", "publish", "commit"])
async def test_a_step_that_an_outage_stops_is_taken_again(step: str) -> None:
    world = World([[request("a")]])
    world.failing = [step]
    await turn(world.loop())
    assert world.steps.count(step) == 2
    assert calls(world.published) == ["a"]
    assert len(world.committed) == 1


async def test_what_no_outage_explains_ends_the_loop_before_the_commit() -> None:
    world = World([[request("a")]])
    world.routing = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(ZeroDivisionError):
        await world.loop().run(asyncio.Event())
    assert world.committed == []


async def test_who_was_second_at_a_contact_gives_the_first_ones_reply() -> None:
    world = World([[request("a")]])
    world.first = [Change("contact-1", 0, ContactHistory(), {"a": b'{"call_id": "a", "first": true}'})]
    await turn(world.loop())
    assert world.published == [b'{"call_id": "a", "first": true}']
    assert world.reports[0].conflicts == 1


async def test_a_conflict_at_one_contact_keeps_the_order_of_the_replies() -> None:
    batch = [request("a", "contact-1"), request("b", "contact-2"), request("c", "contact-1"), request("d", "contact-3")]
    world = World([batch])
    world.first = [Change("contact-1", 0, ContactHistory(), {})]
    await turn(world.loop())
    assert calls(world.published) == ["a", "b", "c", "d"]
    assert world.steps == ["look at the logs", "fetch", "read", "write", "read", "write", "publish", "commit"]


async def test_the_settings_are_the_same_for_all_of_a_batch_conflicts_included() -> None:
    world = World([[request("a"), request("b", "contact-2")], [request("c")]])
    world.first = [Change("contact-1", 0, ContactHistory(), {})]
    loop = world.loop()
    await turn(loop)
    assert world.routings == 1
    world.version = 2
    await turn(loop)
    assert [json.loads(value)["settings_version"] for value in world.published] == [1, 1, 2]


async def test_a_bad_record_is_answered_in_its_place() -> None:
    bad = Record(json.dumps({"type": "call-requested", "call_id": "bad"}).encode())
    world = World([[request("a"), bad, request("b")]])
    await turn(world.loop())
    assert calls(world.published) == ["a", "bad", "b"]
    assert len(world.committed) == 3


async def test_the_loop_stops_after_what_is_in_hand() -> None:
    world = World([[request("a")], [request("b")], [request("c")]])
    stop = asyncio.Event()
    loop = world.loop()
    original = world.publish

    async def publish_and_stop(outbox: Outbox) -> Mapping[int, int]:
        stop.set()
        return await original(outbox)

    world.publish = publish_and_stop  # type: ignore[method-assign]
    await loop.run(stop)
    assert calls(world.published) == ["a", "b"]  # the second was being settled when the first was published
    assert len(world.committed) == 2


async def test_the_next_batch_is_settled_while_one_is_published_and_goes_out_after_it() -> None:
    world = World([[request("a")], [request("b")]])
    loop, acknowledged, original = world.loop(), asyncio.Event(), world.publish

    async def publish(outbox: Outbox) -> Mapping[int, int]:
        ends = await original(outbox)
        await acknowledged.wait()
        return ends

    world.publish = publish  # type: ignore[method-assign]
    await loop.turn()
    await asyncio.sleep(0)  # it begins to be published
    second = asyncio.create_task(loop.turn())
    while world.steps.count("write") < 2:
        await asyncio.sleep(0)
    assert calls(world.published) == ["a"]
    assert not second.done()
    acknowledged.set()
    await second
    await loop.finish()
    assert calls(world.published) == ["a", "b"]


async def test_what_ends_a_publication_ends_the_loop_though_nothing_more_comes() -> None:
    world = World([[request("a")]])

    async def publish(outbox: Outbox) -> Mapping[int, int]:
        raise ZeroDivisionError(outbox)

    world.publish = publish  # type: ignore[method-assign]
    loop = world.loop()
    await loop.turn()
    await asyncio.sleep(0)
    with pytest.raises(ZeroDivisionError):
        await loop.turn()
    assert world.committed == []


@pytest.mark.parametrize(("later_s", "commits"), [(0.9, 0), (1.0, 1), (-3_600, 1)])
async def test_what_is_done_is_committed_when_that_is_due_though_nothing_more_comes(
    later_s: float, commits: int
) -> None:
    world = World([[request("a")]])
    loop = world.loop()
    await loop.turn()
    await asyncio.sleep(0)
    assert world.committed == []
    world.now += timedelta(seconds=later_s)
    for _ in range(3):
        await loop.turn()
        await asyncio.sleep(0)
    assert world.steps.count("commit") == commits


async def test_a_mark_says_how_far_requests_and_outcomes_were_handled_and_which_replies_are_out() -> None:
    outcome = {"type": "call-outcome", "outcome": "busy", "occurred_at": "2026-11-24T08:00:00Z"}
    end = Record(json.dumps({**REQUEST, "call_id": "a", **outcome}).encode(), "call-outcome", offset=6)
    world = World([[request("a", offset=4)], [end], [request("b", offset=5), request("c", offset=6)]])
    loop = world.loop()
    for _ in range(3):
        await turn(loop)
    assert world.marks == [{0: Mark(5, 0, 0)}, {0: Mark(5, 7, 1)}, {0: Mark(7, 7, 1)}]


@pytest.mark.parametrize("step", ["read", "write"])
async def test_a_loss_that_shows_before_a_batch_is_written_lets_nothing_out_and_all_starts_over(step: str) -> None:
    world = World([[request("a")]])
    world.losing = [step]
    loop = world.loop()
    await turn(loop)
    assert world.steps[-2:] == [step, "start over"]
    assert (world.published, world.committed, world.reports) == ([], [], [])
    world.batches = [[request("a")]]
    await turn(loop)
    assert world.steps[-6:] == ["look at the logs", "fetch", "read", "write", "publish", "commit"]


async def test_what_was_written_by_another_and_is_gone_when_it_is_read_is_a_loss() -> None:
    world = World([[request("a")]])
    world.first = [Change("contact-1", 0, ContactHistory(), {"a": b"decided by another"})]
    original = world.read

    async def read(calls: Mapping[str, Collection[str]]) -> dict[str, Snapshot]:
        if world.steps[-1] == "write":
            world.stored.clear()
        return await original(calls)

    world.read = read  # type: ignore[method-assign]
    await turn(world.loop())
    assert world.steps[-3:] == ["write", "read", "start over"]
    assert world.published == []


async def test_who_has_state_of_a_newer_format_is_left_alone_and_answered_and_nobody_else() -> None:
    outcome = {"type": "call-outcome", "outcome": "busy", "occurred_at": "2026-11-24T08:00:00Z"}
    end = Record(json.dumps({**REQUEST, "call_id": "x", "contact_id": "new", **outcome}).encode(), offset=1)
    world = World([[request("a", "new"), end, request("b", "contact-2")]])
    world.faults = {"new": NewerFormatError("it is of format 7")}
    letters = []
    original = world.publish

    async def publish(outbox: Outbox) -> Mapping[int, int]:
        letters.extend(outbox.dead_letters)
        return await original(outbox)

    world.publish = publish  # type: ignore[method-assign]
    await turn(world.loop())

    assert calls(world.published) == ["a", "b"]
    rejection = json.loads(world.published[0])
    assert rejection["reason"] == "no_number_available"
    assert "format 7" in rejection["detail"]
    assert rejection["rejected_at"] == "2026-11-18T11:06:40Z"  # of the record alone, so that it is always the same
    assert [(letter.stage, letter.record.offset) for letter in letters] == [("STATE", 0), ("STATE", 1)]
    assert world.stored.keys() == {"contact-2"}
    assert len(world.committed) == 3


async def test_nothing_is_done_of_a_batch_that_passes_the_limit_on_dead_letters() -> None:
    world = World([[request("a"), Record(b"rubbish"), Record(b"rubbish", offset=2)]])
    world.limit = DeadLetterLimit(50, 2)
    loop = world.loop()
    for _ in range(2):
        await turn(loop)
    assert world.steps == ["look at the logs", "fetch", "give back", "fetch", "give back"]
    assert [[each.position for each in refused] for refused in world.over_limit] == [[1, 2], [1, 2]]
    assert world.limit.is_exceeded
    assert not world.reports


async def test_a_paused_loop_goes_on_when_the_batch_is_no_longer_its_own() -> None:
    world = World([[Record(b"rubbish")]])
    world.limit = DeadLetterLimit(0, 1)
    loop = world.loop()
    await turn(loop)
    world.batches = [[], [request("a")]]
    await turn(loop)
    assert not world.limit.is_exceeded
    await turn(loop)
    assert calls(world.published) == ["a"]


async def test_a_paused_loop_stops_at_once_when_it_is_told_to() -> None:
    world = World([[Record(b"rubbish")]])
    world.limit = DeadLetterLimit(0, 1)
    stop = asyncio.Event()
    running = asyncio.create_task(world.loop().run(stop))
    while not world.over_limit:
        await asyncio.sleep(0)
    stop.set()
    await running
    assert world.steps == ["look at the logs", "fetch", "give back"]

"""What must hold after a run, whatever happened in it, and what is worth counting."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple

from pydantic import ValidationError

from schemas.events import DIALER_EVENT, REPLY, CallOutcome, CallRequested, NumberAssigned
from schemas.headers import SOURCE
from schemas.settings import SettingsRecord
from tests.chaos.ahead import moves_to_admissible
from tests.chaos.logs import Record, source_of
from tests.model import complaints_of_run

_MARGIN_MS: Final = 5_000
"""A reply's timestamp is taken when it is put into a request, which may be some time before that is sent."""


class Excuse(NamedTuple):
    """When, and of which partition indexes, replies may be repeated."""

    kind: Literal["paused", "cut off", "late"]
    partitions: frozenset[int]
    began_ms: float
    ended_ms: float

    def covers(self, reply: Record) -> bool:
        """Whether the reply may be a repeat for this reason."""
        return (
            reply.partition in self.partitions
            and self.began_ms - _MARGIN_MS <= reply.timestamp <= self.ended_ms + _MARGIN_MS
        )


class Handled(NamedTuple):
    """An input record, the event in it if it fits, and whether it must be answered."""

    record: Record
    event: CallRequested | CallOutcome | None
    wants_reply: bool


@dataclass(frozen=True, kw_only=True)
class Run:
    """What there is in the end: the topics, each whole, and what Redis counts."""

    settings: Sequence[SettingsRecord]
    requests: Sequence[Record]
    outcomes: Sequence[Record]
    replies: Sequence[Record]
    replies_committed: Sequence[Record]
    """The same topic as a reader of `read_committed` sees it."""
    letters: Sequence[Record]
    attempts: Mapping[tuple[str, str], int]
    """By contact and project, as Redis has them."""
    excuses: Sequence[Excuse] = field(default_factory=list)
    waits_exceeded: int = 0
    """Records that the workers say did not wait any longer for the other topic."""

    @cached_property
    def story(self) -> list[Handled]:
        """All input in the order of handling, which within a partition index is that of the timestamps."""
        records = sorted([*self.outcomes, *self.requests], key=lambda record: (record.partition, record.timestamp))
        return [_handled(record) for record in records]

    @cached_property
    def answers(self) -> dict[tuple[int, int], list[Record]]:
        """The replies to each request record, by its partition index and offset, in the order of the log."""
        answers: defaultdict[tuple[int, int], list[Record]] = defaultdict(list)
        for reply in self.replies:
            answers[reply.partition, source_of(reply)].append(reply)
        return dict(answers)

    def answers_to(self, handled: Handled) -> list[Record]:
        """The replies to an input record."""
        if handled.record not in self._requests:
            return []
        return self.answers.get((handled.record.partition, handled.record.offset), [])

    @cached_property
    def _requests(self) -> set[Record]:
        return set(self.requests)

    @cached_property
    def model_says(self) -> tuple[list[str], int]:
        """What the model has to say against the replies; and how many requests ran ahead of an outcome, as they may."""
        by_contact: defaultdict[str, list[Handled]] = defaultdict(list)
        for handled in self.story:
            if handled.event is not None:
                by_contact[handled.event.contact_id].append(handled)
        found: list[str] = []
        ahead = 0
        for contact_id, story in by_contact.items():
            events = [handled.event for handled in story if handled.event is not None]
            replies = self._first_replies(story)
            if said := complaints_of_run(self.settings, events, {(contact_id, c): v for c, v in replies.items()}):
                first = {call_id: values[0] for call_id, values in replies.items()}
                left = self.waits_exceeded - ahead
                moves = moves_to_admissible(self.settings, events, first, self._may_run_ahead, left)
                if moves:  # 0: it is not the order that is wrong
                    ahead += moves
                else:
                    found += said
        return found, ahead

    def _first_replies(self, story: Sequence[Handled]) -> dict[str, list[bytes]]:
        """The first reply to each request record of a contact, by call id; calls without one are left out."""
        replies: defaultdict[str, list[bytes]] = defaultdict(list)
        for handled in story:
            if isinstance(handled.event, CallRequested):
                for reply in self.answers_to(handled)[:1]:
                    replies[handled.event.call_id].append(reply.value or b"")
        return replies

    def _may_run_ahead(self, request: CallRequested) -> bool:
        at_ms = request.requested_at.timestamp() * 1_000
        return any(
            excuse.kind != "paused" and excuse.began_ms - _MARGIN_MS <= at_ms <= excuse.ended_ms
            for excuse in self.excuses
        )

    def repeats(self) -> Iterator[tuple[Handled, str]]:
        """Each reply beyond the first to a record, and what excuses it: nothing if it is a defect."""
        for handled in self.story:
            for reply in self.answers_to(handled)[1:]:
                if handled.event is None:
                    yield handled, "misfit"
                else:
                    yield handled, next((excuse.kind for excuse in self.excuses if excuse.covers(reply)), "")


def complaints(run: Run) -> list[str]:
    """What is wrong with a run, in words; nothing when all is as promised."""
    return [
        *_unanswered(run),
        *_repeated(run),
        *_seen_otherwise(run),
        *_out_of_order(run),
        *_inadmissible(run),
        *_miscounted(run),
        *_unburied(run),
    ]


def counts(run: Run) -> dict[str, int]:
    """How much there was, by kind."""
    repeats = Counter(excuse or "unexcused" for _, excuse in run.repeats())
    kinds = Counter(type(handled.event).__name__ for handled in run.story)
    return {
        "events": len(run.story),
        "requests": kinds["CallRequested"],
        "outcomes": kinds["CallOutcome"],
        "records that do not fit": kinds["NoneType"],
        "calls asked for again": kinds["CallRequested"] - len(_calls(run)),
        "replies": len(run.replies),
        "waits for the other topic exceeded": run.waits_exceeded,
        "requests that ran ahead of an outcome": run.model_says[1],
        **{f"repeats, {excuse}": repeats[excuse] for excuse in ("paused", "cut off", "late", "misfit", "unexcused")},
        "dead letters": len(run.letters),
    }


def _handled(record: Record) -> Handled:
    try:
        event = DIALER_EVENT.validate_json(record.value or b"")
    except ValidationError:
        return Handled(record, None, _fields(record).get("type") == "call-requested" and "call_id" in _fields(record))
    return Handled(record, event, isinstance(event, CallRequested))


def _fields(record: Record) -> dict[str, Any]:
    try:
        fields = json.loads(record.value or b"")
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _calls(run: Run) -> set[tuple[str, str]]:
    events = [handled.event for handled in run.story]
    return {(event.contact_id, event.call_id) for event in events if isinstance(event, CallRequested)}


def _unanswered(run: Run) -> Iterator[str]:
    known = set()
    for handled in run.story:
        got = run.answers_to(handled)
        known.update(got)
        if handled.wants_reply and not got:
            yield f"{handled.record} was not answered"
        elif got and not handled.wants_reply:
            yield f"{handled.record} is no request and was answered"
    for reply in run.replies:
        if reply not in known:
            yield f"{reply} answers nothing: {reply.header(SOURCE)!r}"


def _repeated(run: Run) -> Iterator[str]:
    for handled, excuse in run.repeats():
        got = run.answers_to(handled)
        if not excuse:
            places = ", ".join(f"{reply} at {reply.timestamp}" for reply in got)
            yield f"{handled.record} was answered {len(got)} times, with no excuse: {places}"
        if len({reply.value for reply in got}) > 1:
            yield f"{handled.record} got replies that differ: {[reply.value for reply in got]}"


def _seen_otherwise(run: Run) -> Iterator[str]:
    if list(run.replies) != list(run.replies_committed):
        yield f"a plain reader sees {len(run.replies)} replies, one of what is committed {len(run.replies_committed)}"


def _out_of_order(run: Run) -> Iterator[str]:
    """Whoever takes the first reply to each request reads them in the order of the requests."""
    latest: dict[int, int] = {}
    for index, offset in run.answers:  # in the order of the first replies
        if offset < latest.get(index, -1):
            yield f"request {offset} of partition {index} was answered after {latest[index]}"
        latest[index] = max(offset, latest.get(index, -1))


def _inadmissible(run: Run) -> Iterator[str]:
    """The model is told every event in order and the first reply to each request record."""
    yield from run.model_says[0]
    for handled in run.story:
        for reply in run.answers_to(handled)[:1] if handled.event is None else ():
            if REPLY.validate_json(reply.value or b"").type != "assignment-rejected":
                yield f"{handled.record} does not fit and was answered {reply.value!r}"


def _miscounted(run: Run) -> Iterator[str]:
    assigned = {
        (reply.contact_id, reply.project_id, reply.call_id)
        for reply in (REPLY.validate_json(record.value or b"") for record in run.replies)
        if isinstance(reply, NumberAssigned)
    }
    counted = Counter((contact_id, project_id) for contact_id, project_id, _ in assigned)
    for contact_id, project_id in sorted(counted.keys() | run.attempts.keys()):
        stored = run.attempts.get((contact_id, project_id), 0)
        if stored != (count := counted[contact_id, project_id]):
            yield f"{contact_id} has {stored} attempts in {project_id}, and was assigned {count} calls"


def _unburied(run: Run) -> Iterator[str]:
    buried = {(letter.key, letter.value, _own(letter)) for letter in run.letters}
    for handled in run.story:
        record = handled.record
        if (handled.event is None) != ((record.key, record.value, record.headers) in buried):
            yield f"{record} is {'no' if handled.event is None else 'a'} dead letter"


def _own(letter: Record) -> tuple[tuple[str, bytes], ...]:
    """The headers that the record came with."""
    return tuple(header for header in letter.headers if not header[0].startswith("__connect."))

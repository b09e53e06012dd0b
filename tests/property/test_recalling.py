"""What the logs say of contacts, taken in again: it is what was known when it was written to them."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import REPLY, CallOutcome, CallRequested, NumberAssigned
from schemas.settings import SettingsRecord
from tests.model.engine import Engine
from tests.property.test_selection import CONTACTS, Step, scripts, settings_records, unhurried
from tests.unit.loop.test_reading import Record
from worker.loop.encoding import encode
from worker.loop.recalling import memories, take_in
from worker.selection.history import ContactHistory
from worker.stream.recollection import Recalled, recalled


def logged(engine: Engine, script: Sequence[Step]) -> list[Recalled]:
    """What a worker that handles the events leaves in the logs; a request asked again is answered again."""
    log: list[Recalled] = []
    for step in script:
        if isinstance(step, CallRequested):
            reply = Record(encode(engine.request(step)), "number-assigned", timestamp=len(log))
            log.append(recalled(reply, is_reply=True))
        elif isinstance(step, CallOutcome):
            engine.outcome(step)
            outcome = Record(step.model_dump_json().encode(), "call-outcome")
            log.append(recalled(outcome, is_reply=False))
        else:
            engine.change_settings(step)
    return log


def taken_in(log: Sequence[Recalled], history: ContactHistory, contact_id: str, since: int = 0) -> dict[str, bytes]:
    of_contact = memories(log).get(contact_id, [])
    return take_in(of_contact, history, {}, replies_since_ms=since)


@unhurried
@given(records=settings_records(), script=scripts())
def test_a_history_and_its_replies_come_back_from_the_logs(
    records: tuple[SettingsRecord, ...], script: list[Step]
) -> None:
    engine = Engine(records)
    log = logged(engine, script)
    for contact_id in CONTACTS:
        history = ContactHistory()
        replies = taken_in(log, history, contact_id)
        assert history == engine.history_of(contact_id)
        assert list(history.projects) == list(engine.history_of(contact_id).projects)
        asked = [s for s in script if isinstance(s, CallRequested) and s.contact_id == contact_id]
        assert replies == {request.call_id: encode(engine.request(request)) for request in asked}


@unhurried
@given(records=settings_records(), script=scripts(), data=st.data())
def test_what_is_taken_in_twice_counts_once(
    records: tuple[SettingsRecord, ...], script: list[Step], data: st.DataObject
) -> None:
    engine = Engine(records)
    log = logged(engine, script)
    cut = data.draw(st.integers(0, len(log)))
    for contact_id in CONTACTS:
        history, known = ContactHistory(), engine.history_of(contact_id)
        taken_in(log[:cut], history, contact_id)
        taken_in(log, history, contact_id)
        assert {p: calls.attempts for p, calls in history.projects.items()} == {
            p: calls.attempts for p, calls in known.projects.items()
        }
        assert (history.last_number, history.uses) == (known.last_number, known.uses)


@unhurried
@given(records=settings_records(), script=scripts(), data=st.data())
def test_the_attempts_survive_replies_that_the_log_no_longer_holds(
    records: tuple[SettingsRecord, ...], script: list[Step], data: st.DataObject
) -> None:
    engine = Engine(records)
    log = logged(engine, script)
    cut = data.draw(st.integers(0, len(log)))
    for contact_id in CONTACTS:
        history = ContactHistory()
        taken_in(log[cut:], history, contact_id)
        replies = [REPLY.validate_json(each.value) for each in log[cut:] if each.is_reply]
        held = [each for each in replies if isinstance(each, NumberAssigned) and each.contact_id == contact_id]
        for project_id, calls in history.projects.items():
            # Of the latest call that is held. That may be an older one whose reply was asked for again.
            attempt = max(each.attempt for each in held if each.project_id == project_id)
            assert calls.attempts == attempt <= engine.history_of(contact_id).attempts(project_id)
        assert history.projects.keys() == {each.project_id for each in held}


@unhurried
@given(records=settings_records(), script=scripts(), since=st.integers(0, 20))
def test_old_replies_are_not_kept(records: tuple[SettingsRecord, ...], script: list[Step], since: int) -> None:
    log = logged(Engine(records), script)
    for contact_id in CONTACTS:
        replies = taken_in(log, ContactHistory(), contact_id, since)
        assert replies.items() <= taken_in(log, ContactHistory(), contact_id).items()
        young = {each.value for each in log if each.is_reply and each.timestamp >= since}
        assert set(replies.values()) <= young

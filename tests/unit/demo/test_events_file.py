import json
from pathlib import Path

import pytest

from schemas.events import CallOutcome, CallRequested
from worker.demo.events_file import MAX_BYTES, MAX_EVENT_BYTES, MAX_SHOWN, EventsFileError, load_events

REQUEST = {
    "type": "call-requested",
    "call_id": "1",
    "project_id": "spring",
    "contact_id": "kalle",
    "phone": "+358401234567",
    "requested_at": "2026-03-02T09:15:00+02:00",
}
OUTCOME = {
    "type": "call-outcome",
    "call_id": "1",
    "project_id": "spring",
    "contact_id": "kalle",
    "outcome": "busy",
    "occurred_at": "2026-03-02T09:16:00+02:00",
}


def problems(file: Path) -> list[str]:
    with pytest.raises(EventsFileError) as caught:
        load_events(file)
    return str(caught.value).splitlines()


def test_events_are_given_in_order_with_their_lines_as_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    request, outcome = json.dumps(REQUEST).encode(), json.dumps(OUTCOME, indent=None).encode()
    file.write_bytes(b"\n" + request + b"\r\n\r\n  " + outcome + b"  ")
    events = load_events(file)
    assert [each.value for each in events] == [request, outcome]
    assert isinstance(events[0].event, CallRequested)
    assert isinstance(events[1].event, CallOutcome)


def test_an_empty_file_has_no_events(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n\n")
    assert load_events(file) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"type": "call-requested"', "not JSON: EOF while parsing an object at line 1 column 25"),
        ("[]", "Input should be an object"),
        ('{"call_id": "1"}', "type: write call-requested or call-outcome"),
        ('{"type": "number-assigned"}', "type: write call-requested or call-outcome"),
        (json.dumps(REQUEST | {"call_id": 7}), "call_id: Input should be a valid string"),
        (json.dumps({k: v for k, v in OUTCOME.items() if k != "outcome"}), "outcome: Field required"),
    ],
)
def test_a_line_that_does_not_fit_is_told_with_its_place(tmp_path: Path, line: str, words: str) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(f"{json.dumps(REQUEST)}\n\n{line}\n", encoding="utf-8")
    assert problems(file) == [f"{file}:3: {words}"]


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text('[]\n{"type": "call-outcome", "call_id": ""}', encoding="utf-8")
    places = [problem.removeprefix(f"{file}:").split(": ")[:2] for problem in problems(file)]
    assert places == [
        ["1", "Input should be an object"],
        ["2", "call_id"],
        ["2", "project_id"],
        ["2", "contact_id"],
        ["2", "outcome"],
        ["2", "occurred_at"],
    ]


def test_very_many_problems_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("[]\n" * (MAX_SHOWN + 5), encoding="utf-8")
    told = problems(file)
    assert len(told) == MAX_SHOWN + 1
    assert told[-1] == f"{file}: 5 more problems"


def test_an_event_that_kafka_would_not_take_is_told(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps(REQUEST | {"note": "x" * MAX_EVENT_BYTES}), encoding="utf-8")
    (problem,) = problems(file)
    assert problem.endswith("bytes; Kafka takes at most 1,000,000")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    file = tmp_path / "none.jsonl"
    assert problems(file) == [f"{file}: the file cannot be read: No such file or directory; correct the path"]


def test_a_file_too_large_to_hold_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    with file.open("wb") as large:
        large.truncate(MAX_BYTES + 1)
    assert problems(file) == [f"{file}: the file is larger than 256 MiB; send it in parts"]

"""The load of the bench: repeatable, and what the worker takes."""

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from bench.load import Load, contact_id, contacts_of, number, phone, records, settings
from schemas.events import DIALER_EVENT
from worker.selection.phone import to_e164
from worker.settings.file import load as load_settings
from worker.state.buckets import home_of

FEW = Load(events=1_000, contacts=100)


def test_the_same_seed_gives_the_same_events_and_another_one_others() -> None:
    once, again, other = (list(records(load, begin_ms=0)) for load in (FEW, FEW, replace(FEW, seed=7)))
    assert once == again != other


def test_a_fifth_of_the_events_are_outcomes_and_all_are_good() -> None:
    events = [DIALER_EVENT.validate_json(record.value) for record in records(FEW, begin_ms=0)]
    assert [event.type for event in events].count("call-outcome") == 200
    assert FEW.requests == 800
    calls = {event.call_id for event in events if event.type == "call-requested"}
    assert len(calls) == 800
    assert {event.call_id for event in events if event.type == "call-outcome"} <= calls


def test_times_go_up_and_are_the_records_own() -> None:
    written = list(records(FEW, begin_ms=1_700_000_000_000))
    assert [record.timestamp_ms for record in written] == list(range(1_700_000_000_000, 1_700_000_001_000))
    assert json.loads(written[7].value)["requested_at"] == "2023-11-14T22:13:20.007Z"


def test_events_can_be_kept_to_partitions() -> None:
    load = replace(FEW, contacts=1_000, indexes=frozenset({3}))
    keys = {record.key.decode() for record in records(load, begin_ms=0)}
    assert {home_of(key, 12, 12) for key in keys} == {3}
    assert len(contacts_of(load)) < len(contacts_of(replace(load, indexes=None))) == 1_000
    assert contact_id(contacts_of(load)[0]) in keys


def test_padding_makes_records_as_large_as_it_says() -> None:
    plain, padded = (next(records(load, begin_ms=0)) for load in (FEW, replace(FEW, padding=6_000)))
    assert 6_000 < len(padded.value) - len(plain.value) < 6_020


@pytest.mark.parametrize("numbers", [100, 1_000])
def test_the_settings_fit(numbers: int, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(settings(replace(FEW, numbers=numbers)))
    assert len(load_settings(file).records) == numbers + 4 + 1
    assert len({number(n) for n in range(numbers)}) == numbers


def test_every_phone_is_one() -> None:
    for index in islice(range(1_000), 0, None, 7):
        assert to_e164(phone(index, 1)) == phone(index, 1)

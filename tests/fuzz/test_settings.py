"""Any record of the settings topic, any settings file and any file of events: refused in words, or as it was meant."""

import json
from functools import partial
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, example, find, given, settings
from hypothesis import strategies as st

from schemas.settings import SETTINGS_RECORD
from tests.fuzz import EXAMPLES
from tests.fuzz.handling import MAX_REQUEST_BYTES
from tests.fuzz.records import RAW_VALUES, events, json_values, mutated, numbers, texts, written
from tests.unit.settings.test_settings_properties import consistent_settings
from worker.demo.events_file import EventsFileError, load_events
from worker.settings.difference import difference
from worker.settings.export import export_yaml
from worker.settings.file import SettingsFileError, parse
from worker.settings.fold import Fold

ids = st.sampled_from(["spring", "anna", "busy"]) | texts
good_numbers = st.sampled_from(["+358912345678", "+358331234567"])
some_numbers = good_numbers | numbers
FIELDS: Final[dict[str, dict[str, st.SearchStrategy[Any]]]] = {
    "number": {"number": some_numbers, "label": ids, "group": ids, "active": st.booleans()},
    "project": {
        "project_id": ids,
        "numbers": st.lists(some_numbers, max_size=3),
        "number_for_first_call": some_numbers | st.sampled_from(["random", "regionally_random"]),
        "selection_logic": st.sampled_from(["random", "different_number", "first"]),
        "outcomes": st.dictionaries(ids, some_numbers, max_size=2),
        "when_no_number": st.sampled_from(["anonymous", "reject"]),
    },
    "agent": {"agent_id": ids, "name": ids, "number": some_numbers},
    "outcome": {"outcome": ids, "next_number": some_numbers},
}


@st.composite
def keyed_records(draw: st.DrawFn) -> tuple[bytes | None, bytes | None]:
    """The key and value of a settings record, mostly right."""
    kind = draw(st.sampled_from(sorted(FIELDS)))
    fields = {"type": kind} | {name: draw(each) for name, each in FIELDS[kind].items()}
    key = f"{kind}:{fields[next(iter(FIELDS[kind]))]}".encode("utf-8", "surrogatepass")
    pairs = [(json.dumps(name), json.dumps(value)) for name, value in fields.items()]
    if draw(st.booleans()):
        name, odd = draw(st.sampled_from(pairs))[0], draw(st.sampled_from(RAW_VALUES) | json_values.map(json.dumps))
        pairs.append((name, odd))
    values = st.just(written(pairs))
    return draw(st.just(key) | mutated(st.just(key)) | st.none()), draw(values | mutated(values) | st.none())


@settings(max_examples=EXAMPLES)
@given(st.lists(keyed_records() | st.tuples(st.binary(max_size=20), st.binary(max_size=80)), max_size=8))
def test_settings_records_are_folded_or_refused_and_the_good_ones_stay(
    records: list[tuple[bytes | None, bytes | None]],
) -> None:
    fold = Fold()
    for offset, (key, value) in enumerate(records):
        before = fold.records()
        refusal = fold.fold(offset, key, value)
        if refusal is not None:
            assert fold.records() == before
            assert refusal.reason
            assert len(refusal.key) + len(refusal.reason) <= 2_000
        assert fold.routing().version == offset
        assert all(len(project.pool) <= len(project.settings.numbers) for project in fold.routing().projects.values())
    # What is in force can be written, and read again by every other reader.
    again = Fold()
    for offset, (text, value) in enumerate(difference([], fold.records()).writes()):
        assert len(value or b"") <= MAX_REQUEST_BYTES
        assert again.fold(offset, text.encode(), value) is None
    assert again.records() == fold.records()
    export_yaml(fold.records())


yaml_bits = st.sampled_from(
    [
        *(
            "numbers:",
            "projects:",
            "agents:",
            "outcomes:",
            "\n",
            "\n  ",
            "- ",
            "{",
            "}",
            "[",
            "]",
            ": ",
            ", ",
            "? ",
            "| ",
            "> ",
        ),
        *(
            "&a ",
            "*a",
            "<<: ",
            "!!python/object:os.system ",
            "!",
            "%YAML 9.9\n",
            "---\n",
            "...\n",
            "#",
            '"',
            "'",
            "\t",
            "\r",
        ),
        *(
            "number: ",
            '"+358912345678"',
            "+358912345678",
            "project_id: spring",
            "true",
            "null",
            "~",
            "1.0",
            "\\ud800",
            "\x07",
        ),
    ]
)
exports = consistent_settings().map(export_yaml).map(str.encode)
yaml_texts = st.lists(yaml_bits | st.text(max_size=4), max_size=30).map("".join).map(str.encode)


@settings(max_examples=EXAMPLES)
@given(
    st.binary(max_size=60) | yaml_texts | mutated(yaml_texts) | exports | mutated(exports) | mutated(mutated(exports))
)
@example(b"[" * 100_000)
@example(b"".join(b" " * depth + b"a:\n" for depth in range(2_000)))
@example(b"numbers: &a [*a]")
@example(b"&a\n<<: *a")
def test_a_settings_file_is_read_or_refused_with_file_and_line(content: bytes) -> None:
    try:
        found = parse(content, Path("settings.yaml"))
    except SettingsFileError as error:
        lines = str(error).splitlines()
        assert error.problems  # noqa: PT017
        assert lines[0].startswith("settings.yaml")
        for problem in error.problems:
            assert (
                0
                <= problem.line
                <= content.count(b"\n")
                + content.count(b"\r")
                + content.count("\x85".encode())
                + content.count("\u2028".encode())
                + content.count("\u2029".encode())
                + 2
            )
            assert problem.what
            assert problem.mend
    else:
        for record in found.records:
            assert SETTINGS_RECORD.validate_json(record.model_dump_json()) == record


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        events | mutated(events) | st.binary(max_size=40) | json_values.map(lambda each: json.dumps(each).encode()),
        max_size=4,
    )
)
def test_a_file_of_events_is_read_or_refused_with_file_and_line(tmp_path: Path, lines: list[bytes]) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(lines))
    try:
        found = load_events(file)
    except EventsFileError as error:
        for problem in str(error).splitlines():
            assert problem.startswith(f"{file}:")
    else:
        assert [each.value for each in found] == [
            line for line in map(bytes.strip, file.read_bytes().split(b"\n")) if line
        ]


def test_the_strategies_make_settings_that_fit() -> None:
    kinds = {kind: find(keyed_records(), partial(_makes, kind)) for kind in FIELDS}
    assert kinds.keys() == FIELDS.keys()


def _makes(kind: str, record: tuple[bytes | None, bytes | None]) -> bool:
    fold = Fold()
    fold.fold(0, *record)
    return [each.type for each in fold.records()] == [kind]

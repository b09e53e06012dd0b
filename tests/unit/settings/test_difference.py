import json

from schemas.settings import AgentSettings, NumberSettings, OutcomeSettings, ProjectSettings, SettingsRecord
from worker.settings.difference import difference
from worker.settings.fold import Fold

A, B, C = "+358912345670", "+358912345671", "+46846500410"


def test_the_same_settings_differ_in_nothing() -> None:
    records: list[SettingsRecord] = [
        NumberSettings(number=A),
        ProjectSettings(project_id="p", outcomes={"x": A, "y": B}),
    ]
    again: list[SettingsRecord] = [ProjectSettings(project_id="p", outcomes={"y": B, "x": A}), NumberSettings(number=A)]
    same = difference(records, again)
    assert same.is_empty
    assert (same.lines(), same.writes()) == ([], [])


def test_a_difference_reads_like_one() -> None:
    in_force: list[SettingsRecord] = [
        NumberSettings(number=B, label="Old"),
        ProjectSettings(project_id="spring", numbers=(A, B), outcomes={"busy": A, "deal": A, "same": A}),
        ProjectSettings(project_id="autumn", numbers=(A, B)),
        AgentSettings(agent_id="anna"),
        OutcomeSettings(outcome="busy", next_number=A),
    ]
    wanted: list[SettingsRecord] = [
        NumberSettings(number=A, group="helsinki", label="Sales", active=False),
        NumberSettings(number=B),
        ProjectSettings(
            project_id="spring",
            numbers=(B, C),
            selection_logic="different_number",
            keep_previous_number=True,
            outcomes={"busy": B, "no answer": C, "same": A},
        ),
        ProjectSettings(project_id="autumn", numbers=(B, A)),
        ProjectSettings(project_id="winter", name="Winter", numbers=(A, B), outcomes={"busy": A}),
        OutcomeSettings(outcome="busy", next_number=None),
    ]
    assert difference(in_force, wanted).lines() == [
        f"+ number {A} (label Sales, group helsinki, active false)",
        f"+ project winter (name Winter, numbers 2 listed, outcomes busy: {A})",
        f"~ number {B}: label Old -> none",
        "~ project autumn: numbers in another order",
        f"~ project spring: numbers added: {C}",
        f"~ project spring: numbers removed: {A}",
        "~ project spring: keep_previous_number false -> true",
        "~ project spring: selection_logic random -> different_number",
        f'~ project spring: outcomes["busy"] {A} -> {B}',
        f'~ project spring: outcomes["deal"] {A} -> none',
        f'~ project spring: outcomes["no answer"] none -> {C}',
        f"~ outcome busy: next_number {A} -> none",
        "- agent anna",
    ]


def test_ids_that_would_disturb_a_terminal_are_shown_escaped() -> None:
    assert difference([], [AgentSettings(agent_id="a\x1b[2Jb")]).lines() == ['+ agent "a\\u001b[2Jb"']


def test_what_others_name_is_written_first_and_deleted_last() -> None:
    old: list[SettingsRecord] = [
        NumberSettings(number=A),
        ProjectSettings(project_id="old"),
        ProjectSettings(project_id="changed"),
        AgentSettings(agent_id="old"),
        OutcomeSettings(outcome="old"),
    ]
    new: list[SettingsRecord] = [
        OutcomeSettings(outcome="new"),
        AgentSettings(agent_id="new"),
        ProjectSettings(project_id="new"),
        ProjectSettings(project_id="changed", numbers=(B, C)),
        NumberSettings(number=C),
        NumberSettings(number=B),
    ]
    writes = difference(old, new).writes()
    assert [key for key, _ in writes] == [
        f"number:{B}",
        f"number:{C}",
        "project:changed",
        "project:new",
        "agent:new",
        "outcome:new",
        "outcome:old",
        "agent:old",
        "project:old",
        f"number:{A}",
    ]
    assert [value is None for _, value in writes] == [False] * 6 + [True] * 4


def test_a_record_is_written_as_json_with_its_type() -> None:
    ((key, value),) = difference([], [AgentSettings(agent_id="Björn", number=A)]).writes()
    assert key == "agent:Björn"
    assert value is not None
    assert json.loads(value) == {"type": "agent", "agent_id": "Björn", "name": None, "number": A}


def test_equal_records_are_written_as_equal_bytes() -> None:
    one = ProjectSettings(project_id="p", outcomes={"x": A, "y": B})
    other = ProjectSettings(project_id="p", outcomes={"y": B, "x": A})
    assert difference([], [one]).writes() == difference([], [other]).writes()


def test_a_key_under_which_a_bad_record_stands_last_is_written_anew() -> None:
    fold = Fold()
    good, gone = NumberSettings(number="+358912345678"), NumberSettings(number="+358912345679")
    for offset, (key, value) in enumerate(difference((), [good, gone]).writes()):
        fold.fold(offset, key.encode(), value)
    for offset, key in enumerate((good.key, gone.key, "number:unheard-of"), start=2):
        fold.fold(offset, key.encode(), b"rubbish")
    changes = difference(fold.records(), [good], fold.shadowed)
    assert not changes.is_empty
    assert {key: value is None for key, value in changes.writes()} == {
        good.key: False,
        gone.key: True,
        "number:unheard-of": True,
    }
    assert len(changes.writes()) == 3
    for offset, (key, value) in enumerate(changes.writes(), start=5):
        fold.fold(offset, key.encode(), value)
    assert fold.records() == [good]
    assert difference(fold.records(), [good], fold.shadowed).is_empty

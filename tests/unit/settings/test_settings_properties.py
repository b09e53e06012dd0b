from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.settings import AgentSettings, NumberSettings, OutcomeSettings, ProjectSettings, SettingsRecord
from worker.settings.check import Entry, check
from worker.settings.difference import difference
from worker.settings.export import export_yaml
from worker.settings.file import parse
from worker.settings.fold import Fold
from worker.settings.sections import in_order

ODD = ["yes", "no", "null", "~", "true", "<<", "=", "2024", "1.0", "0x1F", "+35891", "- a", "a: b", "#", "'", '"', "*a"]
ODD += [
    "!!int",
    "{}",
    " ",
    "\n",
    "\ta",
    "\x00",
    "\x85",
    "\u2028",
    "\ufeff",
    "\ufffe",
    "a\n b\n",
    "\U0001f600" * 500,
    "?",
    "%",
]

e164 = st.from_regex(r"\+[1-9][0-9]{1,14}", fullmatch=True)
text = st.one_of(st.sampled_from(ODD), st.text(max_size=8), st.text("\n #:'\"-\\", max_size=8))
ids = text.filter(bool)


@st.composite
def consistent_settings(draw: st.DrawFn) -> list[SettingsRecord]:
    """Any settings that fit together, in any order."""
    inventory = draw(st.lists(e164, unique=True, max_size=5))
    maybe_number = st.sampled_from([None, *inventory])
    records: list[SettingsRecord] = [
        NumberSettings(
            number=number,
            label=draw(st.none() | text),
            group=draw(st.none() | ids),
            active=draw(st.booleans()),
        )
        for number in inventory
    ]
    for project_id in draw(st.lists(ids, unique=True, max_size=3)):
        listed = draw(st.permutations(inventory))[: draw(st.integers(0, 5))]
        records.append(
            ProjectSettings(
                project_id=project_id,
                name=draw(text),
                numbers=tuple(listed),
                number_for_first_call=draw(st.sampled_from(["random", "regionally_random", *listed])),
                keep_previous_number=draw(st.booleans()),
                selection_logic=draw(st.sampled_from(["random", "different_number", "regionally_random"])),
                agent_numbers=draw(st.sampled_from(["use_agent_number", "use_project_number"])),
                outcomes=draw(st.dictionaries(ids, st.sampled_from(listed), max_size=3)) if listed else {},
                when_no_number=draw(st.sampled_from(["anonymous", "reject"])),
            )
        )
    records += [
        AgentSettings(agent_id=agent_id, name=draw(st.none() | text), number=draw(maybe_number))
        for agent_id in draw(st.lists(ids, unique=True, max_size=3))
    ]
    records += [
        OutcomeSettings(outcome=outcome, next_number=draw(maybe_number))
        for outcome in draw(st.lists(ids, unique=True, max_size=3))
    ]
    return draw(st.permutations(records))


def folded(records: list[SettingsRecord]) -> Fold:
    fold = Fold()
    for offset, (key, value) in enumerate(difference([], records).writes()):
        assert fold.fold(offset, key.encode(), value) is None
    return fold


@settings(max_examples=300)
@given(consistent_settings())
def test_exported_settings_read_back_as_they_were(records: list[SettingsRecord]) -> None:
    exported = export_yaml(records)
    assert list(parse(exported.encode(), Path("exported.yaml")).records) == in_order(records)
    assert export_yaml(reversed(records)) == exported


@given(consistent_settings(), consistent_settings())
def test_writing_the_difference_makes_the_wanted_settings(
    in_force: list[SettingsRecord], wanted: list[SettingsRecord]
) -> None:
    fold = folded(in_force)
    changes = difference(fold.records(), wanted)
    for offset, (key, value) in enumerate(changes.writes(), start=len(in_force)):
        assert fold.fold(offset, key.encode(), value) is None
    assert fold.records() == in_order(wanted)
    assert difference(fold.records(), wanted).is_empty
    assert changes.is_empty == (changes.lines() == []) == (changes.writes() == [])


@given(consistent_settings(), consistent_settings())
def test_no_write_on_the_way_leaves_a_reference_that_leads_nowhere(
    in_force: list[SettingsRecord], wanted: list[SettingsRecord]
) -> None:
    fold = folded(in_force)
    for offset, (key, value) in enumerate(difference(in_force, wanted).writes(), start=len(in_force)):
        fold.fold(offset, key.encode(), value)
        assert check(Entry((), record) for record in fold.records()) == []

import yaml

from schemas.settings import AgentSettings, NumberSettings, OutcomeSettings, ProjectSettings
from worker.settings.export import export_yaml

A = "+358912345670"


def test_an_export_reads_like_a_file_written_by_hand() -> None:
    exported = export_yaml(
        [
            OutcomeSettings(outcome="no", next_number=A),
            AgentSettings(agent_id="Björn"),
            ProjectSettings(project_id="spring", name="Spring", numbers=(A,), number_for_first_call=A),
            NumberSettings(number=A, label="Sales: 1", active=False),
        ]
    )
    assert (
        exported
        == f"""\
numbers:
- {{number: "{A}", label: 'Sales: 1', active: false}}

projects:
- project_id: spring
  name: Spring
  numbers:
  - "{A}"
  number_for_first_call: "{A}"
  keep_previous_number: false
  selection_logic: random
  agent_numbers: use_project_number
  outcomes: {{}}
  when_no_number: anonymous

agents:
- {{agent_id: Björn}}

outcomes:
- {{outcome: 'no', next_number: "{A}"}}
"""
    )


def test_no_settings_are_exported_as_four_empty_sections() -> None:
    assert export_yaml([]) == "numbers: []\n\nprojects: []\n\nagents: []\n\noutcomes: []\n"


def test_other_readers_of_yaml_take_ids_for_text_too() -> None:
    ids = ["yes", "no", "null", "~", "1.0", "2024", "0o7", "2024-02-29", "12:30", "<<", A]
    rows = yaml.safe_load(export_yaml([AgentSettings(agent_id=each) for each in ids]))["agents"]
    assert {row["agent_id"] for row in rows} == set(ids)


def test_a_record_stays_on_its_line_however_long_or_odd_its_words() -> None:
    long, broken = "a word " * 100, "a\nb"
    lines = export_yaml([NumberSettings(number=A, label=long, group=broken)]).splitlines()
    assert lines[1] == f'- {{number: "{A}", label: \'{long}\', group: "a\\nb"}}'


def test_equal_settings_are_exported_as_the_same_text() -> None:
    one = ProjectSettings(project_id="p", outcomes={"x": A, "y": A})
    other = ProjectSettings(project_id="p", outcomes={"y": A, "x": A})
    assert export_yaml([one]) == export_yaml([other])

from pathlib import Path

import pytest

from schemas.settings import AgentSettings, NumberSettings, OutcomeSettings, ProjectSettings
from worker.settings import document, file
from worker.settings.document import MAX_DEPTH, MAX_NODES
from worker.settings.file import SettingsFileError, load, parse

NAME = Path("settings.yaml")
A, B = "+358912345670", "+358912345671"


def problems_of(text: str | bytes) -> list[str]:
    with pytest.raises(SettingsFileError) as caught:
        parse(text if isinstance(text, bytes) else text.encode(), NAME)
    return str(caught.value).splitlines()


def the_problem(text: str | bytes) -> str:
    problems = problems_of(text)
    assert len(problems) == 1, problems
    return problems[0]


def test_the_four_sections_become_records(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(
        f"""
numbers:
  - {{number: "{A}", group: helsinki, label: Sales}}
  - {{number: {B}, active: false}}
projects:
  - project_id: spring
    name: Spring campaign
    numbers: ["{A}", "{B}"]
    number_for_first_call: regionally_random
    keep_previous_number: true
    selection_logic: different_number
    agent_numbers: use_agent_number
    outcomes: {{busy: "{A}"}}
    when_no_number: reject
agents:
  - {{agent_id: anna, name: Anna, number: "{A}"}}
outcomes:
  - {{outcome: voicemail, next_number: "{B}"}}
""",
        encoding="utf-8",
    )
    loaded = load(path)
    assert loaded.records == (
        NumberSettings(number=A, group="helsinki", label="Sales"),
        NumberSettings(number=B, active=False),
        ProjectSettings(
            project_id="spring",
            name="Spring campaign",
            numbers=(A, B),
            number_for_first_call="regionally_random",
            keep_previous_number=True,
            selection_logic="different_number",
            agent_numbers="use_agent_number",
            outcomes={"busy": A},
            when_no_number="reject",
        ),
        AgentSettings(agent_id="anna", name="Anna", number=A),
        OutcomeSettings(outcome="voicemail", next_number=B),
    )
    assert loaded.summary == "2 numbers, 1 project, 1 agent, 1 outcome"


@pytest.mark.parametrize(
    "word", ["2024", "no", "yes", "on", "1.0", "0x1F", "1_000", "2024-02-29", "12:30:45", "=", "<<"]
)
def test_unquoted_words_are_text(word: str) -> None:
    assert parse(f"agents: [{{agent_id: {word}}}]".encode(), NAME).records == (AgentSettings(agent_id=word),)


def test_an_outcome_may_be_called_null_or_true_where_names_stand() -> None:
    text = f"numbers: [number: {A}]\nprojects: [{{project_id: p, numbers: [{A}], outcomes: {{null: {A}, true: {A}}}}}]"
    record = parse(text.encode(), NAME).records[1]
    assert isinstance(record, ProjectSettings)
    assert record.outcomes == {"null": A, "true": A}


@pytest.mark.parametrize("text", ["{}", "numbers: []", "\ufeff{}", "--- {}\n..."])
def test_settings_without_any_record_are_settings(text: str) -> None:
    assert parse(text.encode(), NAME).records == ()


def test_anchors_aliases_and_merge_keys_save_repetition() -> None:
    text = f"""
numbers: [{{number: {A}}}, {{number: {B}}}]
projects:
  - &first {{project_id: a, numbers: &both [{A}, {B}], when_no_number: reject}}
  - {{<<: *first, project_id: b}}
  - {{project_id: c, numbers: *both}}
  - {{<<: [{{name: near}}, {{name: far}}], project_id: d}}
  - {{<<: {{name: near}}, <<: {{name: far}}, project_id: e}}
"""
    assert parse(text.encode(), NAME).records[2:] == (
        ProjectSettings(project_id="a", numbers=(A, B), when_no_number="reject"),
        ProjectSettings(project_id="b", numbers=(A, B), when_no_number="reject"),
        ProjectSettings(project_id="c", numbers=(A, B)),
        ProjectSettings(project_id="d", name="near"),
        ProjectSettings(project_id="e", name="near"),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "settings.yaml: the file is empty; "),
        ("# nothing\n", "settings.yaml: the file is empty; "),
        ("- a", "settings.yaml:1:1: a list stands where the sections belong; begin with one of numbers:, projects:"),
        ("a:\n\t- b", "settings.yaml:2:1: this is not YAML: "),
        ("a: 1\n---\nb: 1", "settings.yaml:2:1: this is not YAML: expected a single document"),
        ('# é\na: "é\x01"', "settings.yaml:2:6: the character U+0001 is not allowed; "),
        ("# é\na: é\ufffe", "settings.yaml:2:5: the character U+FFFE is not allowed; "),
        ("é: é".encode() + b"\xff", "settings.yaml:1:5: this is not UTF-8; save the file as UTF-8"),
        (b"\xef\xbb\xbfa\xff", "settings.yaml:1:2: this is not UTF-8; "),
        ("numbers: []".encode("utf-16"), "settings.yaml:1:1: this is not UTF-8; "),
        ("numbers: [", "settings.yaml:2:1: this is not YAML: "),
        ("numbers: *all", "settings.yaml:1:10: this is not YAML: found undefined alias"),
        ("[" * 100_000, "settings.yaml:1:1001: this is not YAML: "),
        ("numbers: [number: &a [*a]]", "settings.yaml:1:"),
        ("numbers: &a {<<: *a}", "settings.yaml:1:10: numbers: more than 20 values within one another"),
        (
            "numbers: !!python/object/apply:os.getcwd []",
            'settings.yaml:1:10: numbers: the tag "tag:yaml.org,2002:python',
        ),
        ("numbers: !mine []", 'settings.yaml:1:10: numbers: the tag "!mine" has no meaning here; leave the tag out'),
        ("numbers: !!bool maybe", "settings.yaml:1:10: numbers: the tag "),
        ("numbers: !!bool null", "settings.yaml:1:10: numbers: the tag "),
        (
            "numbers: []\nprojects: []\nnumbers: []",
            'settings.yaml:3:1: numbers: "numbers" is given twice, first in line 1;',
        ),
        ("{[a]: b}", "settings.yaml:1:2: a list or a mapping stands where a name belongs; "),
        ("<<: [a]", "settings.yaml:1:6: << brings in something that is not a mapping; "),
        ("nubmers: []", 'settings.yaml:1:1: nubmers: there is no section "nubmers"; did you mean numbers?'),
        ("numbers:", "settings.yaml:1:9: numbers: null stands where a list of numbers belongs; "),
        ("agents: [anna]", 'settings.yaml:1:10: agents[0]: "anna" stands where a row of agents belongs; '),
        ("agents:\n  - {type: agent, agent_id: a}", 'settings.yaml:2:6: agents[0].type: there is no field "type"; '),
    ],
)
def test_a_file_that_is_no_settings_file_is_refused_with_its_place(text: str | bytes, problem: str) -> None:
    assert the_problem(text).startswith(problem)


def test_tabs_are_called_tabs() -> None:
    assert the_problem("a:\n\t- b").endswith("indent with spaces, not with tabs")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("{}", "1: numbers[0]: number is missing; add number: …"),
        ('{number: "+35 891-2"}', '10: numbers[0].number: "+35 891-2" is not a number in E.164; write "+358912" if'),
        ("{number: 0035891}", '10: numbers[0].number: "0035891" is not a number in E.164; write "+35891" if'),
        ("{number: 35891}", '10: numbers[0].number: "35891" is not a number in E.164; write "+35891" if'),
        ("{number: +}", '10: numbers[0].number: "+" is not a number in E.164; write + and 2 to 15 digits'),
        ("{number: null}", "10: numbers[0].number: null is not a number in E.164; write + and 2 to 15 digits"),
        ("{number: +35891, active: no}", '26: numbers[0].active: "no" is neither true nor false; write false,'),
        ('{number: +35891, active: "true"}', '26: numbers[0].active: "true" is neither true nor false; write true,'),
        ("{number: +35891, active: maybe}", '26: numbers[0].active: "maybe" is neither true nor false; write true or'),
        ("{number: +35891, label: true}", '25: numbers[0].label: true stands where text belongs; write "true" in'),
        ("{number: +35891, label: []}", "25: numbers[0].label: a list stands where text belongs; write a single"),
        ('{number: +35891, group: ""}', "25: numbers[0].group: this is empty; write at least one character"),
        ("{number: +35891, lable: x}", '18: numbers[0].lable: there is no field "lable"; did you mean label?'),
        ("{number: +35891, zzz: x}", '18: numbers[0].zzz: there is no field "zzz"; write one of number, label, group'),
        (
            f"{{number: +35891, label: {'x' * 1001}}}",
            f'25: numbers[0].label: "{"x" * 60}…" has 1001 characters; write at most 1000',
        ),
    ],
)
def test_a_number_that_does_not_fit_is_told_in_words(row: str, problem: str) -> None:
    assert the_problem(f"numbers: [\n{row}]").startswith(f"settings.yaml:2:{problem}")


FIRST_CHOICES = "none of random, regionally_random or a number in E.164"
LOGIC_CHOICES = "none of random, different_number, regionally_random"
AGENT_CHOICES = "none of use_agent_number, use_project_number"


@pytest.mark.parametrize(
    ("setting", "value", "at", "problem"),
    [
        ("number_for_first_call", "randon", "", f'"randon" is {FIRST_CHOICES}; did you mean random?'),
        ("number_for_first_call", "00358912", "", f'"00358912" is {FIRST_CHOICES}; write "+358912" if'),
        ("number_for_first_call", "null", "", f"null is {FIRST_CHOICES}; write + and 2 to 15 digits"),
        ("selection_logic", "diferent", "", f'"diferent" is {LOGIC_CHOICES}; did you mean different_number?'),
        ("agent_numbers", "true", "", f"true is {AGENT_CHOICES}; write one of them"),
        ("numbers", "+35891", "", '"+35891" is not a list; write [ ] around it'),
        ("numbers", "[[]]", "[0]", "a list is not a number in E.164; "),
        ("outcomes", "[busy]", "", "a list is not a mapping; write pairs"),
        ("outcomes", "{busy: no}", ".busy", '"no" is not a number in E.164; '),
        ("outcomes", '{"no answer": no}', '["no answer"]', '"no" is not a number in E.164; '),
    ],
)
def test_a_project_that_does_not_fit_is_told_in_words(setting: str, value: str, at: str, problem: str) -> None:
    told = the_problem(f"projects: [{{ project_id: p, {setting}:\n {value}}}]")
    assert told.startswith("settings.yaml:2:")
    assert f": projects[0].{setting}{at}: {problem}" in told


def test_an_outcome_without_a_name_is_told_at_the_name() -> None:
    text = f'numbers: [{{number: {A}}}]\nprojects: [{{project_id: p, numbers: [{A}],\noutcomes: {{"": {A}}}}}]'
    assert the_problem(text).startswith('settings.yaml:3:12: projects[0].outcomes[""]: this is empty; ')


def test_all_problems_of_a_file_are_told_at_once_in_its_order() -> None:
    text = f"""numbers:
  - {{number: {A}, label: true, lable: x}}
  - {{number: oops}}
agent: []
agents:
  - {{agent_id: anna, number: {B}}}
  - {{agent_id: ben, number: {A}}}
"""
    places = [line.split(": ")[0] for line in problems_of(text)]
    assert places == [f"settings.yaml:{place}" for place in ("2:36", "2:42", "3:14", "4:1", "6:30")]


def test_a_number_whose_row_has_a_problem_is_not_missed_on_top_of_it() -> None:
    assert "numbers[0].label" in the_problem(
        f"numbers: [{{number: {A}, label: true}}]\nagents: [{{agent_id: a, number: {A}}}]"
    )


def test_problems_of_a_list_that_is_used_twice_are_told_once() -> None:
    text = f"projects: [{{project_id: a, numbers: &all [{A}]}}, {{project_id: b, numbers: *all}}]"
    assert "projects[0].numbers[0]" in the_problem(text)


def test_a_flood_of_problems_is_cut_short() -> None:
    lines = problems_of("agents: [" + "x, " * 1000 + "]")
    assert len(lines) == 101
    assert lines[-1] == "settings.yaml: 900 more problems"


def test_text_that_would_disturb_a_terminal_is_shown_escaped() -> None:
    assert '"\\u001b[2J\\u202e" is not a number' in the_problem('numbers: [{number: "\\e[2J\\u202e"}]')


def bomb_of(fill: str) -> str:
    """A few lines that mean more than a billion values."""
    first = "a0: &a0 {x: y}"
    return "\n".join([first, *(f"a{level}: &a{level} {fill.format(f'*a{level - 1}')}" for level in range(1, 12))])


@pytest.mark.parametrize(
    "fill", ["[{0}, {0}, {0}, {0}, {0}, {0}, {0}]", "{{a: {0}, b: {0}, c: {0}, d: {0}, e: {0}, f: {0}}}"]
)
def test_a_bomb_of_aliases_is_refused(fill: str) -> None:
    assert f"more than {MAX_NODES:,} values" in the_problem(bomb_of(fill))


def test_a_bomb_of_merge_keys_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_NODES", 10_000)
    names = ", ".join(f"n{place}: x" for place in range(1000))
    assert "more than 10,000 values" in the_problem(f"- &m {{{names}}}\n- {{<<: [{', '.join(['*m'] * 50)}]}}")


def test_values_are_counted_while_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_NODES", 1000)
    assert "more than 1,000 values" in the_problem("[" + "!x a," * 1001 + "and no end")


def test_nesting_is_limited() -> None:
    assert f"more than {MAX_DEPTH} values within one another" in the_problem("[" * 30 + "]" * 30)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(SettingsFileError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: there is no such file; correct the path"


def test_a_directory_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsFileError, match="this is a directory"):
        load(tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as large:
        large.truncate(file.MAX_BYTES + 1)
    with pytest.raises(SettingsFileError, match="the file is larger than 32 MiB"):
        load(path)


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (PermissionError(13, "Permission denied"), "the file may not be read"),
        (OSError(36, "File name too long"), "the file cannot be read: File name too long"),
        (OSError("odd"), "the file cannot be read: no reason given"),
    ],
)
def test_what_the_system_refuses_is_told_in_words(error: OSError, what: str) -> None:
    assert file.unreadable(error).what == what

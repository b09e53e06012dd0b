import pytest

from schemas.settings import AgentSettings, NumberSettings, OutcomeSettings, ProjectSettings, SettingsRecord
from worker.settings.check import Entry, check, near
from worker.settings.problem import path_of
from worker.settings.sections import SECTION_OF

A, B, C = "+358912345670", "+46846500410", "+12125550110"
NUMBERS = [NumberSettings(number=A), NumberSettings(number=B, active=False)]


def faults_of(*records: SettingsRecord) -> list[str]:
    """The faults of an inventory of A and B and these records, as text."""
    entries = [Entry((SECTION_OF[each.type].name, place), each) for place, each in enumerate([*NUMBERS, *records])]
    return [
        f"{path_of(fault.loc)}: {fault.what}{f', like {path_of(fault.first)}' if fault.first else ''}; {fault.mend}"
        for fault in check(entries)
    ]


def test_settings_that_fit_together_have_no_faults() -> None:
    project = ProjectSettings(project_id="p", numbers=(A, B), number_for_first_call=B, outcomes={"busy": A})
    agent = AgentSettings(agent_id="x", number=B)
    assert faults_of(project, agent, AgentSettings(agent_id="y"), OutcomeSettings(outcome="o", next_number=A)) == []


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (NumberSettings(number=A), f'numbers[3].number: number "{A}" is here twice, like numbers[0].number; '),
        (AgentSettings(agent_id="x"), 'agents[3].agent_id: agent "x" is here twice, like agents[2].agent_id; '),
    ],
)
def test_an_id_given_twice_is_a_fault(record: SettingsRecord, fault: str) -> None:
    (found,) = faults_of(AgentSettings(agent_id="x"), record)
    assert found.startswith(fault)


def test_projects_and_outcomes_given_twice_are_faults() -> None:
    project, outcome = ProjectSettings(project_id="p"), OutcomeSettings(outcome="o")
    found = faults_of(project, outcome, project, outcome)
    assert [each.split(":")[0] for each in found] == ["projects[4].project_id", "outcomes[5].outcome"]


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (ProjectSettings(project_id="p", numbers=(A, A)), f'projects[2].numbers[1]: "{A}" is in the list twice, like'),
        (
            ProjectSettings(project_id="p", numbers=(A, C)),
            f'projects[2].numbers[1]: the inventory has no number "{C}"; add it to the section numbers',
        ),
        (
            ProjectSettings(project_id="p", numbers=(A,), number_for_first_call=B),
            f'projects[2].number_for_first_call: "{B}" is not in the numbers of project "p"; add it to them',
        ),
        (
            ProjectSettings(project_id="p", numbers=(A,), outcomes={"busy": B}),
            f'projects[2].outcomes.busy: "{B}" is not in the numbers of project "p"; add it to them',
        ),
        (AgentSettings(agent_id="x", number=C), f'agents[2].number: the inventory has no number "{C}"; '),
        (OutcomeSettings(outcome="o", next_number=C), f'outcomes[2].next_number: the inventory has no number "{C}"; '),
    ],
)
def test_a_reference_that_leads_nowhere_is_a_fault(record: SettingsRecord, fault: str) -> None:
    (found,) = faults_of(record)
    assert found.startswith(fault)


def test_a_typing_error_in_a_number_is_recognised() -> None:
    (found,) = faults_of(AgentSettings(agent_id="x", number="+358912345607"))
    assert found.endswith(f'did you mean "{A}"?')


@pytest.mark.parametrize("slip", ["+358912345679", "+35891234567", "+3589123456700", "+358913245670", "+3589912345670"])
def test_one_slip_of_the_hand_is_near(slip: str) -> None:
    assert near(slip, {A, B, C}) == A


@pytest.mark.parametrize("other", [A, "+358912345699", "+1"])
def test_a_number_itself_or_far_off_is_not_near(other: str) -> None:
    assert near(other, {A, B, C}) is None

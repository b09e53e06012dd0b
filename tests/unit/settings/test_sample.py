from pathlib import Path
from typing import get_args

from schemas.settings import AgentNumbers, NumberSettings, ProjectSettings, SelectionLogic, WhenNoNumber
from worker import demo
from worker.settings.file import load

SAMPLE = Path(demo.__file__).with_name("settings.yaml")


def test_the_sample_fits_and_uses_every_setting() -> None:
    records = load(SAMPLE).records
    projects = [record for record in records if isinstance(record, ProjectSettings)]
    assert len(projects) == 3
    firsts = {project.number_for_first_call for project in projects}
    assert {"random", "regionally_random"} < firsts
    assert {project.selection_logic for project in projects} == set(get_args(SelectionLogic))
    assert {project.agent_numbers for project in projects} == set(get_args(AgentNumbers))
    assert {project.when_no_number for project in projects} == set(get_args(WhenNoNumber))
    assert {project.keep_previous_number for project in projects} == {True, False}
    assert any(project.outcomes for project in projects)
    assert any(isinstance(record, NumberSettings) and not record.active for record in records)


def test_the_sample_has_numbers_of_seven_countries() -> None:
    numbers = [record.number for record in load(SAMPLE).records if isinstance(record, NumberSettings)]
    for country in ("+358", "+46", "+1", "+44", "+39", "+33", "+49"):
        assert any(number.startswith(country) for number in numbers)

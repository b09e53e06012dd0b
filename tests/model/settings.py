"""The settings records as the model reads them: a list, searched from its end."""

from collections.abc import Sequence

from schemas.settings import AgentSettings, NumberSettings, OutcomeSettings, ProjectSettings, SettingsRecord


class Settings:
    """Settings records in the order of their topic: of two with one key the later one counts."""

    def __init__(self, records: Sequence[SettingsRecord]) -> None:
        self._newest_first = list(reversed(records))

    def project(self, project_id: str) -> ProjectSettings | None:
        return next(
            (r for r in self._newest_first if isinstance(r, ProjectSettings) and r.project_id == project_id), None
        )

    def agent(self, agent_id: str) -> AgentSettings | None:
        return next((r for r in self._newest_first if isinstance(r, AgentSettings) and r.agent_id == agent_id), None)

    def account_outcome(self, outcome: str) -> OutcomeSettings | None:
        return next((r for r in self._newest_first if isinstance(r, OutcomeSettings) and r.outcome == outcome), None)

    def in_inventory(self, number: str) -> NumberSettings | None:
        return next((r for r in self._newest_first if isinstance(r, NumberSettings) and r.number == number), None)

    def is_active(self, number: str) -> bool:
        known = self.in_inventory(number)
        return known is not None and known.active

    def available(self, project: ProjectSettings) -> set[str]:
        """The numbers that the project lists and the inventory has active."""
        return {number for number in project.numbers if self.is_active(number)}

    def number_after(self, project: ProjectSettings, outcome: str, next_number: str | None) -> str | None:
        """The number of the most specific place that names one: the event, the project, the account."""
        if next_number is not None:
            return next_number
        if outcome in project.outcomes:
            return project.outcomes[outcome]
        of_account = self.account_outcome(outcome)
        return None if of_account is None else of_account.next_number

"""The settings as the decision reads them: immutable, compiled once per settings version."""

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Final

from schemas.events import PassReason
from schemas.settings import AgentSettings, OutcomeSettings, ProjectSettings
from worker.selection.pool import Pool, pool_of

NO_SETTINGS_VERSION: Final = -1
"""The version of a table into which no record was folded yet."""


class Project:
    """A project with its pool: the numbers that it lists and that the inventory has active."""

    def __init__(self, settings: ProjectSettings, inventory: Mapping[str, bool]) -> None:
        """Take the inventory's numbers, or those of them that the project lists, each with whether it is active."""
        self.settings = settings
        self._inventory = inventory

    @cached_property
    def pool(self) -> Pool:
        """The numbers available to this project."""
        inventory = self._inventory
        return pool_of(number for number in self.settings.numbers if inventory.get(number))

    def compile(self) -> None:
        """Build the tables that its decisions look into, so that no call waits for them."""
        pool = self.pool
        if "regionally_random" in (self.settings.number_for_first_call, self.settings.selection_logic):
            pool.compile_regions()


class Routing:
    """One version of the settings. Never changed; a change of the settings is another `Routing`."""

    def __init__(
        self,
        version: int = NO_SETTINGS_VERSION,
        *,
        numbers: Mapping[str, bool] = MappingProxyType({}),
        projects: Mapping[str, Project] = MappingProxyType({}),
        agents: Mapping[str, AgentSettings] = MappingProxyType({}),
        outcomes: Mapping[str, OutcomeSettings] = MappingProxyType({}),
    ) -> None:
        self.version = version
        self.numbers = numbers
        """Of the inventory, each with whether it is active."""
        self.projects = projects
        self.agents = agents
        self.outcomes = outcomes

    def compile(self) -> None:
        """Build the tables of all projects; those that an earlier version had already are there."""
        for project in self.projects.values():
            project.compile()

    def unavailable(self, number: str) -> PassReason | None:
        """Why the inventory does not let the number be shown; `None` when it does."""
        active = self.numbers.get(number)
        if active is None:
            return "number_not_in_inventory"
        return None if active else "number_not_active"

    def unavailable_to(self, project: Project, number: str) -> PassReason | None:
        """Why the project may not show the number; `None` when it may."""
        if number in project.pool:
            return None
        return self.unavailable(number) or "number_not_in_project"

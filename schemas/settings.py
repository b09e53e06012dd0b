"""The four settings records of the compacted topic `routing-settings`, and the keys they stand under."""

from sys import intern
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from schemas.fields import E164, AgentId, Flag, Id, ProjectId, Record, Text

Listed = Annotated[E164, AfterValidator(intern)]
"""A number that many records name, and that is in memory once: it takes 62 bytes, and projects list up to 60,000."""

FirstCallNumber = E164 | Literal["random", "regionally_random"]
SelectionLogic = Literal["random", "different_number", "regionally_random"]
AgentNumbers = Literal["use_agent_number", "use_project_number"]
WhenNoNumber = Literal["anonymous", "reject"]


class NumberSettings(Record):
    """An outbound number of the inventory."""

    type: Literal["number"] = "number"
    number: Listed = Field(description="The number, in E.164.")
    label: Text | None = Field(default=None, description="What people call it.")
    group: Id | None = Field(default=None, description="A name that numbers may share, to keep them in order.")
    active: Flag = Field(default=True, description="Whether calls may show it.")

    @property
    def key(self) -> str:
        """The record key."""
        return f"number:{self.number}"


class ProjectSettings(Record):
    """A calling campaign: which numbers it may show and how one is chosen."""

    type: Literal["project"] = "project"
    project_id: ProjectId
    name: Text = Field(default="", description="What people call it.")
    numbers: tuple[Listed, ...] = Field(default=(), description="The numbers that its calls may show.")
    number_for_first_call: FirstCallNumber = Field(
        default="random", description="Which number a contact's first call shows: one number, or how it is drawn."
    )
    keep_previous_number: Flag = Field(
        default=False,
        description="Whether the first call shows the number of the contact's previous call, by any project.",
    )
    selection_logic: SelectionLogic = Field(
        default="random", description="How later calls' numbers are drawn when no outcome names one."
    )
    agent_numbers: AgentNumbers = Field(
        default="use_project_number", description="Whether an agent who has a number always shows it."
    )
    outcomes: dict[Id, E164] = Field(
        default_factory=dict, description="Outcome name to the number that the next call shows."
    )
    when_no_number: WhenNoNumber = Field(
        default="anonymous", description="What becomes of a call when no number is available."
    )

    @property
    def key(self) -> str:
        """The record key."""
        return f"project:{self.project_id}"


class AgentSettings(Record):
    """An agent's profile, as far as it bears on number selection."""

    type: Literal["agent"] = "agent"
    agent_id: AgentId
    name: Text | None = Field(default=None, description="What people call the agent.")
    number: E164 | None = Field(default=None, description="The agent's own number, of the inventory.")

    @property
    def key(self) -> str:
        """The record key."""
        return f"agent:{self.agent_id}"


class OutcomeSettings(Record):
    """An outcome of the whole account. A project's own outcome of the same name wins."""

    type: Literal["outcome"] = "outcome"
    outcome: Id = Field(description="The outcome's name, as events write it.")
    next_number: E164 | None = Field(default=None, description="The number that the next call shows.")

    @property
    def key(self) -> str:
        """The record key."""
        return f"outcome:{self.outcome}"


SettingsRecord = NumberSettings | ProjectSettings | AgentSettings | OutcomeSettings

SETTINGS_RECORD: Final[TypeAdapter[SettingsRecord]] = TypeAdapter(
    Annotated[SettingsRecord, Field(discriminator="type")]
)

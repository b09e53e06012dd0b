"""The four call events. JSON objects in UTF-8; the record key is the `contact_id`."""

from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from schemas.fields import E164, AgentId, CallId, ContactId, Flag, Id, Instant, ProjectId, Record, Whole

Rule = Literal[
    "agent_number",
    "previous_number",
    "first_call_number",
    "first_call_random",
    "first_call_regional",
    "outcome_number",
    "random",
    "different_number",
    "regional",
    "anonymous",
]
"""What chose the number of an assignment."""

RejectionReason = Literal["unknown_project", "no_number_available", "invalid_phone", "invalid_request"]
"""Why a call was given no assignment."""

PassReason = Literal[
    # agent_number
    "project_uses_project_numbers",
    "no_agent_in_request",
    "agent_unknown",
    "agent_has_no_number",
    # any rule that names one number
    "number_not_in_project",
    "number_not_in_inventory",
    "number_not_active",
    # previous_number
    "previous_number_not_kept",
    "contact_not_called_before",
    "no_number_shown_before",
    # outcome_number
    "no_outcome",
    "outcome_names_no_number",
    # the tiers of first_call_regional and regional, closest first
    "phone_not_landline",
    "no_number_in_area",
    "no_number_in_place",
    "no_number_in_country",
    # different_number
    "every_number_used",
    # any rule that draws from the project's numbers
    "no_number_available",
]
"""Why a rule, or one step of it, did not choose. Stable codes for programs that people can read."""


class Passed(Record):
    """One entry of a trail: a rule that was passed over, or a step of a rule, and why."""

    rule: Rule = Field(description="The rule that was passed over.")
    reason: PassReason = Field(description="Why, as a stable code.")


class CallRequested(Record):
    """A dialer is about to call a contact and asks which number to show."""

    type: Literal["call-requested"]
    call_id: CallId
    project_id: ProjectId
    contact_id: ContactId
    phone: str = Field(
        min_length=1,
        max_length=100,
        description="The number to be called, international with its plus sign; punctuation is allowed.",
        examples=["+358 40 123 4567"],
    )
    agent_id: AgentId | None = Field(default=None, description="Whose number counts, if the project says so.")
    requested_at: Instant = Field(description="When the dialer asked. The history is dated by it.")


class CallOutcome(Record):
    """What the agent or the dialer recorded when a call ended."""

    type: Literal["call-outcome"]
    call_id: CallId
    project_id: ProjectId
    contact_id: ContactId
    outcome: Id = Field(
        description="What was recorded: a name that the settings know, or any other.",
        examples=["deal", "no-deal", "callback", "busy", "voicemail"],
    )
    next_number: E164 | None = Field(
        default=None,
        description="The number that the contact's next call in this project shall show; goes before the settings.",
    )
    occurred_at: Instant = Field(description="When the call ended. Of several outcomes of a call the latest counts.")


class NumberAssigned(Record):
    """The reply to a call request: the number to show, which rule chose it and which were passed over."""

    type: Literal["number-assigned"]
    call_id: CallId
    project_id: ProjectId
    contact_id: ContactId
    phone: E164 = Field(description="The number that is called, in E.164.")
    agent_id: AgentId | None = Field(default=None, description="As requested.")
    number: E164 | None = Field(description="The number to show; null when the call is anonymous.")
    anonymous: Flag = Field(description="Whether to show no number.")
    attempt: Whole = Field(ge=1, description="Calls to this contact in this project so far, this one included.")
    rule: Rule = Field(description="What chose the number.")
    trail: tuple[Passed, ...] = Field(description="The rules, or steps of one, that were passed over, in order.")
    settings_version: Whole = Field(ge=-1, description="Offset of the last settings record in force; -1 for none.")
    requested_at: Instant = Field(description="As requested.")
    assigned_at: Instant = Field(description="When the worker decided.")


class AssignmentRejected(Record):
    """The other reply to a call request: no number was assigned, and why.

    The fields that a malformed request left unreadable are null.
    """

    type: Literal["assignment-rejected"]
    call_id: CallId
    project_id: ProjectId | None
    contact_id: ContactId | None
    reason: RejectionReason = Field(description="Why, as a stable code.")
    detail: str = Field(description="Why, for people: what does not fit, or which thing is missing.")
    rejected_at: Instant = Field(
        description="When the worker decided; the request record's own timestamp if it was malformed."
    )


DialerEvent = Annotated[CallRequested | CallOutcome, Field(discriminator="type")]
"""What the worker reads. The two types may share one topic."""

Reply = Annotated[NumberAssigned | AssignmentRejected, Field(discriminator="type")]
"""What the worker writes to the topic `number-assigned`."""

DIALER_EVENT: Final[TypeAdapter[CallRequested | CallOutcome]] = TypeAdapter(DialerEvent)
REPLY: Final[TypeAdapter[NumberAssigned | AssignmentRejected]] = TypeAdapter(Reply)

"""What a decision is asked for, in whichever way it was read."""

from datetime import datetime
from typing import Protocol


class Request(Protocol):
    """The fields of `schemas.events.CallRequested`, which is one."""

    @property
    def call_id(self) -> str: ...  # noqa: D102
    @property
    def project_id(self) -> str: ...  # noqa: D102
    @property
    def contact_id(self) -> str: ...  # noqa: D102
    @property
    def phone(self) -> str: ...  # noqa: D102
    @property
    def agent_id(self) -> str | None: ...  # noqa: D102
    @property
    def requested_at(self) -> datetime: ...  # noqa: D102

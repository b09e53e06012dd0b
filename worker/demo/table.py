"""The live table: the latest answers, why each number was chosen, totals by rule. Fits itself to the terminal."""

import asyncio
import sys
from collections import deque
from collections.abc import Iterable
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from schemas.events import NumberAssigned
from worker.demo.showing import Answer, Totals, number_of, rule_of
from worker.words import short_reason

_REFRESH_S: Final = 0.125
_MAX_ROWS: Final = 40
_MIN_ROWS: Final = 3
_WIDE: Final = 110
"""Columns of a terminal that has room for the phone and the project, too."""

_TOTAL_WIDTH: Final = 26
"""Columns of one total: the longest rule and a number up to 99,999."""

_FRAME_LINES: Final = 6
"""What is neither an answer nor a total: the header, the names of the columns, blank lines, the cursor's line."""

_STYLES: Final = {
    "agent_number": "magenta",
    "previous_number": "green",
    "first_call_number": "cyan",
    "first_call_random": "cyan",
    "first_call_regional": "bright_cyan",
    "outcome_number": "yellow",
    "random": "white",
    "different_number": "blue",
    "regional": "bright_blue",
    "anonymous": "bright_black",
    "rejected": "red",
}


class LiveTable:
    """A table on the terminal that stays there, as it was last, when the context ends."""

    def __init__(self, console: Console | None = None, totals: Totals | None = None) -> None:
        self._console = console or Console()
        self._totals = totals or Totals()
        self._latest: deque[Answer] = deque(maxlen=_MAX_ROWS)
        # Log lines go above the table; but if standard error is a file, they go there.
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            redirect_stderr=sys.stderr.isatty(),
            get_renderable=self.render,
        )
        self._refreshing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._live.start()
        self._refreshing = asyncio.create_task(self._refresh(), name="table")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()
        self._live.refresh()
        self._live.stop()

    def note(self, text: str) -> None:
        """Tell it above the table."""
        self._console.print(text, highlight=False, style="dim")

    def show(self, answer: Answer) -> None:
        """Show the answer with the next refresh."""
        self._totals.count(answer)
        self._latest.append(answer)

    def render(self) -> RenderableType:
        """The table as it is now."""
        if not self._latest:
            return Text("")
        totals = self._totals_grid()
        rows = max(_MIN_ROWS, self._console.height - _FRAME_LINES - totals.row_count)
        header = Text(self._totals.line(), "bold", no_wrap=True, overflow="ellipsis")
        return Group(header, Text(), self._answers(list(self._latest)[-rows:]), Text(), totals)

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH_S)
            self._live.refresh()

    def _answers(self, answers: Iterable[Answer]) -> Table:
        wide = self._console.width >= _WIDE
        table = Table(box=None, padding=(0, 2 if wide else 1, 0, 0), expand=True, header_style="underline")
        for name in ("call", "contact"):
            table.add_column(name, no_wrap=True, max_width=18)
        if wide:
            table.add_column("phone", no_wrap=True)
            table.add_column("project", no_wrap=True, max_width=18)
        table.add_column("attempt", no_wrap=True, justify="right")
        table.add_column("number", no_wrap=True)
        table.add_column("rule", no_wrap=True)
        table.add_column("why", no_wrap=True, overflow="ellipsis", ratio=1)
        for answer in answers:
            table.add_row(*self._row(answer, wide=wide))
        return table

    @staticmethod
    def _row(answer: Answer, *, wide: bool) -> Iterable[Text]:
        reply = answer.reply
        assigned = isinstance(reply, NumberAssigned)
        rule = rule_of(reply)
        yield Text(reply.call_id)
        yield Text(reply.contact_id or "-")
        if wide:
            yield Text(reply.phone if isinstance(reply, NumberAssigned) else "-")
            yield Text(reply.project_id or "-")
        yield Text(str(reply.attempt) if isinstance(reply, NumberAssigned) else "-")
        yield Text(number_of(reply), "bold" if assigned else "red")
        yield Text(rule, _STYLES[rule])
        yield Text(short_reason(reply))

    def _totals_grid(self) -> Table:
        across = max(1, self._console.width // (_TOTAL_WIDTH + 1))
        grid = Table.grid(padding=(0, 1))
        for _ in range(across):
            grid.add_column(width=_TOTAL_WIDTH, no_wrap=True)
        totals = [
            Text.assemble((f"{rule:<20}", _STYLES[rule]), f"{calls:>6,}")
            for rule, calls in self._totals.by_rule.most_common()
        ]
        for first in range(0, len(totals), across):
            grid.add_row(*totals[first : first + across])
        return grid

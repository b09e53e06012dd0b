"""Where the tables go in the page."""

from pathlib import Path

import pytest

from bench.documents import BEGIN, END, MarkersMissingError, replaced, to_text
from bench.figures import Figure
from bench.plan import Report

PAGE = Path(__file__).parents[3] / "docs" / "performance.md"


def test_only_what_is_between_the_markers_is_replaced() -> None:
    assert replaced(f"a\n{BEGIN}\nold\n{END}\nb\n", "new") == f"a\n{BEGIN}\nnew\n{END}\nb\n"


@pytest.mark.parametrize("page", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}\n"])
def test_a_page_without_both_markers_is_left_alone(page: str) -> None:
    with pytest.raises(MarkersMissingError, match="two lines"):
        replaced(page, "new")


def test_the_page_of_the_documentation_has_its_place() -> None:
    assert "| new |" in replaced(PAGE.read_text(encoding="utf-8"), "| new |")


def test_what_could_not_be_measured_is_said() -> None:
    report = Report(figures=[Figure(name="CPU", unit="µs", runs=[1])], failures={"restart": "no reply"})
    text = to_text(report)
    assert "| CPU" in text
    assert "`restart` could not be measured." in text

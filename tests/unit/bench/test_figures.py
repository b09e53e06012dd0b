"""The table: medians against bars."""

import pytest

from bench.figures import Figure, Verdict, costs, shown, table


@pytest.mark.parametrize(
    ("runs", "more_is_better", "verdict"),
    [
        ([25.1, 10, 99], False, "MISSES"),
        ([25, 25, 99], False, "passes"),
        ([19, 1, 99], False, "reaches the aim"),
        ([18.9], True, "MISSES"),
        ([19, 19, 1], True, "passes"),
        ([25, 1, 99], True, "reaches the aim"),
    ],
)
def test_the_median_is_held_against_the_bar(runs: list[float], *, more_is_better: bool, verdict: Verdict) -> None:
    bar, aim = (19, 25) if more_is_better else (25, 19)
    figure = Figure(name="f", unit="u", runs=runs, bar=bar, aim=aim, more_is_better=more_is_better)
    assert figure.verdict == verdict
    assert figure.to_json()["verdict"] == verdict


def test_a_figure_without_a_bar_has_no_verdict() -> None:
    assert Figure(name="f", unit="u", runs=[1]).verdict == ""


def test_the_table_has_a_row_for_each_figure() -> None:
    figures = [
        Figure(name="CPU", unit="µs", runs=[18, 20.26, 30], bar=25, aim=19),
        Figure(name="rate", unit="/s", runs=[31_000.4], bar=25_000, more_is_better=True),
    ]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table(figures).splitlines()]
    assert rows[0] == ["figure", "unit", "median", "min to max", "runs", "bar", "aim", ""]
    assert set("".join(rows[1])) == {"-"}
    assert rows[2:] == [
        ["CPU", "µs", "20.3", "18.0 to 30.0", "3", "≤ 25.0", "≤ 19.0", "passes"],
        ["rate", "/s", "31,000", "", "1", "≥ 25,000", "", "passes"],
    ]


def test_the_cost_by_stage_adds_up() -> None:
    assert [line.split("|")[2].strip() for line in costs({"parse": 3.0, "decide": 1.0}).splitlines()[2:]] == [
        "3.0",
        "1.0",
        "4.0",
    ]
    assert "75%" in costs({"parse": 3.0, "decide": 1.0})


@pytest.mark.parametrize(("value", "text"), [(0.256, "0.26"), (1.26, "1.3"), (99.96, "100.0"), (25_000.4, "25,000")])
def test_a_value_is_shown_as_exactly_as_it_deserves(value: float, text: str) -> None:
    assert shown(value) == text

from random import Random

import pytest

from worker.selection.blocks import Blocks
from worker.selection.geodata import Descriptions


@pytest.mark.parametrize(
    ("number", "alike"),
    [
        ("+12125550123", "+12125999999"),
        ("+80012345678", "+80098765432"),  # of no country
        ("+21012345678", "+21098765432"),  # of no country code in service
    ],
)
def test_alike_numbers_share_what_is_known(number: str, alike: str) -> None:
    blocks = Blocks[str](100)
    blocks.known_of(number)[len(number)] = "known"
    assert blocks.known_of(alike) == {12: "known"}


@pytest.mark.parametrize(
    ("number", "other"),
    [
        ("+12125550123", "+12135550123"),
        ("+390212345678", "+391212345678"),
        ("+44", "+442"),
        ("+4", "+44"),
        ("+99", "+998"),
        ("+551938251234", "+551938351234"),  # by the described prefixes alone
        ("+5491123456789", "+5491223456789"),
    ],
)
def test_other_numbers_do_not(number: str, other: str) -> None:
    blocks = Blocks[str](100)
    blocks.known_of(number)[len(number)] = "known"
    assert not blocks.known_of(other)


def test_places_count_behind_the_token_of_a_mobile(monkeypatch: pytest.MonkeyPatch) -> None:
    described = Descriptions(1, lambda _: {"541123456": {"en": "a quarter"}})
    monkeypatch.setattr("worker.selection.blocks.DESCRIPTIONS", described)
    for number, other in [("+541123456789", "+541123457789"), ("+5491123456789", "+5491123457789")]:
        blocks = Blocks[str](100)
        blocks.known_of(number)[len(number)] = "known"
        assert not blocks.known_of(other)


def test_a_number_that_ends_early_is_told_from_those_that_go_on() -> None:
    blocks = Blocks[str](100)
    for number in ("+1", "+1212", "+12125550123"):
        assert not blocks.known_of(number)
        blocks.known_of(number)[len(number)] = number
    assert [blocks.known_of(number) for number in ("+1", "+1212", "+12125550123")] == [
        {2: "+1"},
        {5: "+1212"},
        {12: "+12125550123"},
    ]


def test_blocks_are_bounded_whatever_the_numbers_are() -> None:
    random, blocks = Random(1), Blocks[str](200)  # noqa: S311 - any numbers will do
    counts: list[int] = []
    for _ in range(2_000):
        number = f"+{random.randrange(10**11, 10**12)}"
        blocks.known_of(number)[len(number)] = "known"
        assert blocks.known_of(number)
        counts.append(len(blocks))
    assert max(counts) <= 200 + len("+123456789012")
    assert counts != sorted(counts)


def test_all_can_be_let_go() -> None:
    blocks = Blocks[str](100)
    blocks.known_of("+12125550123")[12] = "known"
    assert len(blocks) == len("+12125")
    blocks.clear()
    assert not blocks.known_of("+12125550123")
    assert len(blocks) == len("+12125")

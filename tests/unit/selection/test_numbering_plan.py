# ruff: noqa: S311 - what is drawn at random is seeded, and no secret
import re
from collections.abc import Iterator
from random import Random

import pytest
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from worker.selection.numbering_plan import (
    Positions,
    after_calling_code,
    calling_code_of,
    patterns_of_kinds,
    positions,
    step,
)

WALKS = 12
GEOGRAPHIC = sorted(code for code, countries in COUNTRY_CODE_TO_REGION_CODE.items() if countries[0] != "001")
LENGTHS = range(15)


def patterns(calling_code: int) -> Iterator[str]:
    """All that a number is held against."""
    kinds = [
        *("general_desc", "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost"),
        *("personal_number", "voip", "pager", "uan", "voicemail"),
    ]
    for country in COUNTRY_CODE_TO_REGION_CODE[calling_code]:
        metadata = PhoneMetadata.metadata_for_region_or_calling_code(calling_code, country)
        assert metadata is not None
        for description in (getattr(metadata, kind) for kind in kinds):
            if description is not None and description.national_number_pattern:
                yield description.national_number_pattern
        yield metadata.leading_digits or ""
        for number_format in () if calling_code == 1 else metadata.intl_number_format or metadata.number_format:
            yield number_format.pattern or ""
            yield from number_format.leading_digits_pattern[-1:]


def after(digits: str, start: Positions) -> Positions:
    for digit in digits:
        start = step(start, digit)
    return start


def walk(start: Positions, random: Random) -> str:
    """Digits up to where it is decided, mostly such as lead far."""
    digits = ""
    while start:
        there = random.choice(sorted(start, key=str)).digits if random.random() < 0.8 else "0123456789"
        digits += random.choice(sorted(there))
        start = step(start, digits[-1])
    return digits


def some_digits(length: int, random: Random) -> str:
    return "".join(random.choices("0123456789", k=length))


def assert_nothing_decides_behind(start: Positions, pattern: str, random: Random) -> None:
    compiled = re.compile(pattern)
    for _ in range(WALKS):
        decided = walk(start, random)
        for length in LENGTHS:
            numbers = [decided + some_digits(length, random) for _ in range(3)]
            assert len({compiled.fullmatch(number) is None for number in numbers}) == 1, numbers
            assert len({compiled.match(number) is None for number in numbers}) == 1, numbers


@pytest.mark.parametrize("calling_code", sorted(COUNTRY_CODE_TO_REGION_CODE))
def test_no_pattern_of_the_metadata_is_decided_by_a_later_digit(calling_code: int) -> None:
    random = Random(calling_code)
    for pattern in sorted(set(patterns(calling_code))):
        assert_nothing_decides_behind(positions(pattern), pattern, random)


@pytest.mark.parametrize("calling_code", GEOGRAPHIC)
def test_no_pattern_is_decided_by_a_digit_behind_those_of_its_plan(calling_code: int) -> None:
    random, start = Random(calling_code), after_calling_code(str(calling_code))
    for pattern in sorted(set(patterns(calling_code))):
        for _ in range(WALKS):
            number = walk(positions(pattern), random).ljust(10, "0")
            end = next((end for end in range(len(number)) if not after(number[:end], start)), len(number))
            numbers = [number, *(number[:end] + some_digits(len(number) - end, random) for _ in range(3))]
            assert len({re.fullmatch(pattern, each) is None for each in numbers}) == 1, (pattern, numbers)
            assert len({re.match(pattern, each) is None for each in numbers}) == 1, (pattern, numbers)


@pytest.mark.parametrize("calling_code", GEOGRAPHIC)
def test_the_first_digit_always_decides(calling_code: int) -> None:
    """Before a zero, no number needs a prefix to have an area code: libphonenumber's own rule, in no pattern."""
    assert after_calling_code(str(calling_code))


@pytest.mark.parametrize(
    ("pattern", "deciding"),
    [
        ("", {"": 0}),
        (r"\d{4,15}", {"1234": 0}),
        (r"[2-9]\d{6}", {"2345678": 1, "1345678": 1}),
        (r"1(?:2[02]|34)\d{3}", {"120456": 3, "134567": 3, "156789": 2, "234567": 1}),
        (r"(\d{3})(\d{4})", {"1234567": 0}),
        (r"\d\d5", {"125999": 3}),
        (r"1{2,3}\d", {"11111": 3, "11211": 3, "12111": 2}),
        (r"(?:1|23)?4", {"14999": 2, "23499": 3, "49999": 1}),
        (r"1?[23]4", {"249": 2, "1249": 3}),
        (r"(?:\d2)?\d", {"12999": 2, "99999": 2}),
        (r"(?!12)\d{5}", {"12345": 2, "13345": 2, "22222": 1}),
        (r"(?=1|23)\d[3-4]\d{3}", {"13999": 2, "34999": 2}),
        (r"[0-46-9]1", {"01": 2, "51": 1}),
        (r"[0-9]1|2", {"31": 2}),
        ("(1)(?:2)(3)", {"1239": 3}),
    ],
)
def test_digits_decide_as_long_as_a_pattern_does_not_take_any(pattern: str, deciding: dict[str, int]) -> None:
    start = positions(pattern)
    for digits, count in deciding.items():
        assert [bool(after(digits[:end], start)) for end in range(len(digits) + 1)] == [
            end < count for end in range(len(digits) + 1)
        ], digits
    assert_nothing_decides_behind(start, pattern, Random(pattern))


def test_all_that_tells_a_country_is_looked_at() -> None:
    bahamas = PhoneMetadata.metadata_for_region("BS")
    assert bahamas is not None
    assert bahamas.leading_digits == "242"
    assert "242" in set(patterns_of_kinds("1"))


def test_all_digits_of_a_named_group_decide() -> None:
    start = positions(r"(?:\d)(\d{2})(\d{3})", groups=1)
    assert after("12", start)
    assert not after("123", start)
    assert after("12345", positions(r"(?:\d)(\d{2})(\d{3})", groups=2))


@pytest.mark.parametrize(
    "pattern",
    [
        r"1\w",
        "[^1]2",
        "1+",
        "12*",
        "1.",
        "^1",
        "1$",
        "(1",
        "1)",
        "{2}",
        "?1",
        "1{2}{3}",
        "1??",
        "[]1",
        "[1-]",
        "(?<a>1)",
    ],
)
def test_a_pattern_that_is_not_understood_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(ImportError, match=re.escape(f"not understood: {pattern}. Install")):
        positions(pattern)


def test_an_area_code_is_among_the_digits_that_decide() -> None:
    # What a number +58 27 is, the patterns know; that its area code is longer, the formats.
    assert not any(after("27", positions(pattern)) for pattern in patterns_of_kinds("58"))
    assert after("27", after_calling_code("58"))
    assert not after("274", after_calling_code("58"))
    # No pattern of +1 looks behind 39; area codes have three digits nevertheless.
    assert not any(after("39", positions(pattern)) for pattern in patterns_of_kinds("1"))
    assert after("39", after_calling_code("1"))


def test_an_argentine_mobile_is_looked_at_with_its_token_and_without() -> None:
    argentina = after_calling_code("54")
    for digits in ("2", "29", "290", "3"):
        assert after(digits, argentina) <= after(f"9{digits}", argentina)


@pytest.mark.parametrize(
    ("number", "calling_code"),
    [("+12125550123", "1"), ("+1", "1"), ("+390212345678", "39"), ("+3581", "358"), ("+80012345678", "800")],
)
def test_a_number_begins_with_its_country_code(number: str, calling_code: str) -> None:
    assert calling_code_of(number) == calling_code


@pytest.mark.parametrize("number", ["+", "+2", "+99", "+210", "+999123456"])
def test_some_numbers_have_no_country_code(number: str) -> None:
    assert calling_code_of(number) is None

import importlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    PhoneMetadata,
    PhoneNumberFormat,
    PhoneNumberType,
    example_number_for_type,
    format_number,
    is_possible_number,
    number_type,
    parse,
)
from phonenumbers.geodata import GEOCODE_DATA

from worker.selection import regions
from worker.selection.regions import Location, locate, locate_uncached

CAPITALS_AND_OTHERS = [
    # North America: the area code, then the state or province
    ("+12125550123", "US", "+1212", "US:New York"),
    ("+12014961234", "US", "+1201", "US:New Jersey"),
    ("+12025550123", "US", "+1202", "US:Washington D.C."),
    ("+12105550123", "US", "+1210", "US:Texas"),  # the data name a city
    ("+13105550123", "US", "+1310", "US:California"),  # the data name its exchanges only
    ("+14165550123", "CA", "+1416", "CA:Ontario"),
    ("+14160551234", "CA", "+1416", "CA:Ontario"),  # an exchange that cannot be
    ("+12575550123", "CA", "+1257", "CA:British Columbia"),  # misspelt in the data
    ("+19025550123", "CA", "+1902", "CA:Nova Scotia/Prince Edward Island"),
    ("+18765230123", "JM", "+1876", None),
    ("+12423271234", "BS", "+1242", None),
    ("+17877662222", "PR", "+1787", None),
    # Italy: the zero is of the area code
    ("+390212345678", "IT", "+3902", "IT:Milan"),
    ("+390612345678", "IT", "+3906", "IT:Rome"),
    ("+39010234567", "IT", "+39010", "IT:Genoa"),
    ("+390669812345", "VA", "+3906", "VA:Vatican City"),
    # France: five zones
    ("+33144123456", "FR", "+331", "FR:Paris"),
    ("+33223456789", "FR", "+332", "FR:Cesson-Sévigné"),
    ("+33323456789", "FR", "+333", None),
    ("+33423456789", "FR", "+334", None),
    ("+33523456789", "FR", "+335", None),
    # Area codes of different lengths
    ("+442071234567", "GB", "+4420", "GB:London"),
    ("+441212345678", "GB", "+44121", "GB:Birmingham"),
    ("+441539712345", "GB", "+441539", "GB:Kendal"),
    ("+441534712345", "JE", "+441534", None),  # described as Jersey, which is all of the country
    ("+4930123456", "DE", "+4930", "DE:Berlin"),
    ("+497111234567", "DE", "+49711", "DE:Stuttgart"),
    ("+358912345678", "FI", "+3589", "FI:Helsinki"),
    ("+358331234567", "FI", "+3583", "FI:Häme"),
    ("+46812345678", "SE", "+468", "SE:Stockholm"),
    ("+61212345678", "AU", "+612", "AU:New South Wales"),
    ("+81312345678", "JP", "+813", "JP:Tokyo"),
    ("+81451234567", "JP", "+8145", "JP:Kanagawa"),
    ("+918041234567", "IN", "+9180", "IN:Karnataka"),
    ("+525512345678", "MX", "+5255", "MX:FD"),
    ("+74951234567", "RU", "+7495", "RU:Moscow"),
    ("+77172123456", "KZ", "+77172", "KZ:Astana"),
    ("+541123456789", "AR", "+5411", "AR:Buenos Aires"),
    ("+551121234567", "BR", "+5511", "BR:São Paulo"),
    ("+551938251234", "BR", "+5519", "BR:São Paulo"),  # described as a city, with the state's abbreviation
    ("+553133331234", "BR", "+5531", "BR:Minas Gerais"),
    # No area codes in the metadata, but regions
    ("+34911234567", "ES", "+3491", "ES:Madrid"),
    ("+34810123456", "ES", "+3481", "ES:Madrid"),
    ("+4722123456", "NO", "+4722", "NO:Oslo"),
    ("+4721234567", "NO", "+47212", "NO:Oslo"),
    ("+48221234567", "PL", "+4822", "PL:Warsaw"),
    # Neither
    ("+4532123456", "DK", None, None),
    ("+6561234567", "SG", None, None),
]


@pytest.mark.parametrize(("number", "country", "area", "place"), CAPITALS_AND_OTHERS)
def test_a_landline_is_at_home_in_its_area_place_and_country(
    number: str, country: str, area: str | None, place: str | None
) -> None:
    assert locate(number) == Location(landline=True, country=country, area=area, place=place)


@pytest.mark.parametrize(
    ("number", "country", "area", "place"),
    [
        ("+12224961234", "US", "+1222", None),
        ("+19324961234", "US", "+1932", None),
        ("+77271234567", "KZ", "+7727", None),
        ("+543511234567", "AR", "+54351", "AR:Córdoba"),
        ("+912212345678", "IN", "+9122", None),
        ("+842812345678", "VN", "+8428", "VN:Ho Chi Minh City"),
        ("+36112345678", "HU", "+361", "HU:Budapest"),
        ("+390788762328", "IT", "+390788", None),
        ("+390078812345", "IT", None, None),  # two zeros are not one
        ("+34551234567", "ES", None, None),  # a plan without area codes, and no region of it either
    ],
)
def test_what_the_metadata_do_not_know_is_a_landline_of_its_country_and_area(
    number: str, country: str, area: str | None, place: str | None
) -> None:
    parsed = parse(number)
    assert is_possible_number(parsed)
    assert number_type(parsed) == PhoneNumberType.UNKNOWN
    assert locate(number) == Location(landline=True, country=country, area=area, place=place)


@pytest.mark.parametrize(
    ("number", "kind", "country"),
    [
        ("+358401234567", "mobile", "FI"),
        ("+393201234567", "mobile", "IT"),
        ("+33612345678", "mobile", "FR"),
        ("+77012345678", "mobile", "KZ"),
        ("+79161234567", "mobile", "RU"),
        ("+447624123456", "mobile", "IM"),
        ("+448001234567", "toll-free", "GB"),
        ("+33801234567", "toll-free", "FR"),
        ("+3280012345", "toll-free, and the digits of Stavelot", "BE"),
        ("+3531800123456", "toll-free, and the digits of Dublin", "IE"),
        ("+445612345678", "VoIP", "GB"),
        ("+33912345678", "VoIP", "FR"),
        ("+447012345678", "personal", "GB"),
        ("+447640123456", "pager", "GB"),
        ("+443001234567", "UAN", "GB"),
        ("+448431234567", "shared cost", "GB"),
        ("+449012345678", "premium", "GB"),
    ],
)
def test_other_kinds_have_a_country_only(number: str, kind: str, country: str) -> None:
    assert locate(number) == Location(landline=False, country=country, area=None, place=None), kind


@pytest.mark.parametrize("number", ["+18005550123", "+18885550123", "+19002345678", "+15005550123"])
def test_north_american_service_codes_are_no_landlines_and_have_no_place(number: str) -> None:
    assert locate(number) == Location(landline=False, country="US", area=number[:5], place=None)


def test_a_jamaican_mobile_is_told_from_a_landline() -> None:
    assert locate("+18762101234") == Location(landline=False, country="JM", area="+1876", place=None)


@pytest.mark.parametrize(
    ("mobile", "landline"),
    [
        ("+5491123456789", "+541123456789"),
        ("+5493514123456", "+543514123456"),
        ("+5511961234567", "+551121234567"),
        ("+5531987654321", "+553133331234"),
    ],
)
def test_a_mobile_with_an_area_code_is_in_the_area_of_the_landlines(mobile: str, landline: str) -> None:
    assert locate(mobile) == locate(landline)._replace(landline=False)


@pytest.mark.parametrize("number", ["+80012345678", "+80812345678", "+870773111632", "+88213345678", "+979123456789"])
def test_a_number_of_no_country_is_no_landline(number: str) -> None:
    assert locate(number) == Location(landline=False, country="001", area=None, place=None)


@pytest.mark.parametrize("number", ["+999123456", "+21012345678", "+99"])
def test_a_number_without_a_country_code_in_service_is_nowhere(number: str) -> None:
    assert locate(number) == Location(landline=False, country="ZZ", area=None, place=None)


def test_a_country_code_alone_is_in_its_country() -> None:
    assert locate("+44") == Location(landline=False, country="GB", area=None, place=None)


def test_area_codes_of_a_state_share_its_place() -> None:
    places = {locate(f"+1{area}5550123").place for area in (209, 213, 310, 415, 530, 628, 650, 747, 840, 949)}
    assert places == {"US:California"}
    assert {locate(f"+1{area}5550123").place for area in (203, 475, 860, 959)} == {"US:Connecticut"}
    assert {locate(f"+1{area}5550123").place for area in (212, 315, 516, 718, 934)} == {"US:New York"}
    assert {locate(f"+1{area}5550123").place for area in (416, 437, 613, 905, 942)} == {"CA:Ontario"}


def test_north_america_has_fifty_states_the_capital_and_its_provinces() -> None:
    locations = {locate(f"+1{area}5550123") for area in range(200, 1000)}
    places = {location.place for location in locations}
    assert sum(1 for place in places if place and place.startswith("US:")) == 51
    # Two pairs and a triple of provinces and territories share area codes: 13 become 10.
    assert sum(1 for place in places if place and place.startswith("CA:")) == 10
    assert not any(len(place) == len("US:TX") for place in places if place)


def test_brazil_has_twenty_six_states_and_the_federal_district() -> None:
    ddds = range(11, 100)
    places = {locate(f"+55{ddd}{exchange}1234").place for ddd in ddds for exchange in range(2011, 4000, 97)}
    assert len({place for place in places if place}) == 27


def test_a_place_is_of_one_country() -> None:
    assert locate("+34911234567").place == "ES:Madrid"
    assert {locate(number).place for number in ("+541123456789", "+542214123456")} == {"AR:Buenos Aires"}


def test_numbers_of_a_block_cost_one_look_at_the_metadata() -> None:
    regions._locate_block.cache_clear()  # noqa: SLF001 - the cache is what is tested
    for number in ("+12125550123", "+12125550124", "+12125550999", "+442071234567", "+442071234599"):
        locate(number)
    assert regions._locate_block.cache_info().misses == 2  # noqa: SLF001


def examples() -> Iterator[str]:
    kinds = [kind for kind in PhoneNumberType.values() if kind != PhoneNumberType.UNKNOWN]
    for country in sorted({country for countries in COUNTRY_CODE_TO_REGION_CODE.values() for country in countries}):
        for kind in kinds:
            sample = example_number_for_type(country, kind)
            if sample is not None:
                yield format_number(sample, PhoneNumberFormat.E164)


e164 = st.from_regex(r"\+[1-9][0-9]{1,14}", fullmatch=True)
digits = st.text("0123456789", max_size=10)
near_an_example = st.builds(
    lambda number, kept, tail: f"{number[: max(kept, 4)]}{tail}"[:16],
    st.sampled_from(sorted(set(examples()))),
    st.integers(4, 16),
    digits,
)


@given(e164 | near_an_example)
@example("+10")
@example("+390000000000")
@example("+54911")
@example("+549")
@settings(max_examples=500, deadline=None)  # the first look at North America reads its states
def test_any_number_is_located_as_from_all_its_digits(number: str) -> None:
    location = locate(number)
    assert location == locate_uncached(number)
    assert location.country
    assert location.area is None or number.replace("+549", "+54").startswith(location.area.replace("+549", "+54"))


def test_no_digit_beyond_the_block_decides() -> None:
    """Hold the lengths of the blocks against all patterns of the metadata and all prefixes of the data."""
    described: defaultdict[str, int] = defaultdict(int)
    for prefix in GEOCODE_DATA:
        for end in (1, 2, 3):
            described[prefix[:end]] = max(described[prefix[:end]], len(prefix))
    for calling_code, countries in COUNTRY_CODE_TO_REGION_CODE.items():
        written = str(calling_code)
        decided = max(
            described[written] + (written == "54"),  # the 9 of mobiles stands before the described prefix
            len(written) + max(last_deciding_digit(pattern) for pattern in patterns(calling_code, countries)),
        )
        block = 10 if f"+{written}".startswith(regions._LATE) else 8  # noqa: SLF001 - the table is what is tested
        assert decided <= block, f"+{written} decides by {decided} digits"


def patterns(calling_code: int, countries: Iterable[str]) -> Iterator[str]:
    kinds = [
        *("general_desc", "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost"),
        *("personal_number", "voip", "pager", "uan", "voicemail"),
    ]
    for country in countries:
        metadata = PhoneMetadata.metadata_for_region_or_calling_code(calling_code, country)
        assert metadata is not None
        for description in (getattr(metadata, kind) for kind in kinds):
            if description is not None and description.national_number_pattern:
                yield description.national_number_pattern
        yield metadata.leading_digits or ""
        for number_format in (*metadata.number_format, *metadata.intl_number_format):
            yield number_format.pattern or ""
            yield from number_format.leading_digits_pattern[-1:]


# The parser behind `re`, which has no public name. Untyped, and at home in this test only.
regex: Any = importlib.import_module("re._parser")
ANY_DIGIT = set(range(ord("0"), ord("9") + 1))


def last_deciding_digit(pattern: str) -> int:
    """Give the position, counted from 1, of the last digit that the pattern does not take whatever it is."""
    return walk(regex.parse(pattern), 0)[1]


def walk(tokens: Any, position: int) -> tuple[int, int]:
    """Give the furthest position after the tokens, and the last one at which a digit decides; 0 for none."""
    decided = 0
    for operation, argument in tokens:
        match str(operation):
            case "LITERAL":
                position += 1
                decided = position
            case "IN":
                position += 1
                if not ANY_DIGIT.issubset(members(argument)):
                    decided = position
            case "MAX_REPEAT":
                _, most, repeated = argument
                length, inside = walk(repeated, 0)
                if inside:
                    decided = max(decided, position + length * (most - 1) + inside)
                position += length * most
            case "SUBPATTERN":
                position, inside = walk(argument[-1], position)
                decided = max(decided, inside)
            case "BRANCH":
                ends = [walk(branch, position) for branch in argument[1]]
                position = max(end for end, _ in ends)
                decided = max(decided, *(inside for _, inside in ends))
            case "ASSERT" | "ASSERT_NOT":
                decided = max(decided, walk(argument[1], position)[1])
            case other:
                raise AssertionError(other)
    return position, decided


def members(alternatives: Any) -> Iterator[int]:
    for operation, argument in alternatives:
        match str(operation):
            case "LITERAL":
                yield argument
            case "RANGE":
                yield from range(argument[0], argument[1] + 1)
            case "CATEGORY":
                yield from ANY_DIGIT
            case other:
                raise AssertionError(other)

# ruff: noqa: S311 - what is drawn at random is seeded, and no secret
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    PhoneNumberFormat,
    PhoneNumberType,
    example_number_for_type,
    format_number,
    is_possible_number,
    number_type,
    parse,
)

from worker.selection import regions
from worker.selection.blocks import Blocks
from worker.selection.numbering_plan import after_calling_code, step
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


def test_what_is_worked_out_for_a_number_holds_for_all_that_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []

    def look(number: str) -> Location:
        looked_at.append(number)
        return locate_uncached(number)

    monkeypatch.setattr(regions, "_BLOCKS", Blocks(10_000))
    monkeypatch.setattr(regions, "locate_uncached", look)
    phones = [f"+1212{number}" for number in Random(1).sample(range(2_000_000, 10_000_000), 2_000)]
    assert {locate(phone).place for phone in phones} == {"US:New York"}
    assert sorted(phone[5] for phone in looked_at) == list("23456789")  # an exchange begins with no less


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
@settings(max_examples=1_500, deadline=None)  # the first look at North America reads its states
def test_any_number_is_located_as_from_all_its_digits(number: str) -> None:
    location = locate(number)
    assert location == locate_uncached(number)
    assert location.country
    assert location.area is None or number.replace("+549", "+54").startswith(location.area.replace("+549", "+54"))


@given(e164 | near_an_example, st.data())
@settings(max_examples=1_500, deadline=None)
def test_what_follows_the_deciding_digits_does_not_matter(number: str, data: st.DataObject) -> None:
    decided = deciding(number)
    left = len(number) - len(decided)
    tails = data.draw(st.tuples(*2 * [st.text("0123456789", min_size=left, max_size=left)]))
    assert len({locate_uncached(decided + tail) for tail in tails}) == 1


@pytest.mark.parametrize("calling_code", sorted(COUNTRY_CODE_TO_REGION_CODE))
def test_no_digit_decides_behind_those_that_the_plan_names(calling_code: int) -> None:
    """Walk where the patterns lead, which random digits seldom do."""
    random = Random(calling_code)
    for _ in range(40):
        number, positions = f"+{calling_code}", after_calling_code(str(calling_code))
        while positions:
            number += random.choice(sorted(random.choice(sorted(positions, key=str)).digits))
            positions = step(positions, number[-1])
        number += tail(random.choice((0, 2, 4, 5, 6, 7)), random)
        decided = deciding(number)
        assert len({locate_uncached(decided + tail(len(number) - len(decided), random)) for _ in range(6)}) == 1, number


def tail(length: int, random: Random) -> str:
    return "".join(random.choices("0123456789", k=length))


def deciding(number: str) -> str:
    """The digits that decide, of a number or all of it."""
    blocks = Blocks[None](1_000)
    smallest = blocks.known_of(number)
    return next(number[:end] for end in range(1, len(number) + 1) if blocks.known_of(number[:end]) is smallest)


@pytest.mark.parametrize(
    ("number", "decided"),
    [
        ("+12125550123", "+12125"),
        ("+12025550123", "+12025"),
        ("+4930123456", "+4930123"),
        ("+390212345678", "+390212"),
        ("+33144123456", "+331441"),
        ("+80012345678", "+800"),
        ("+21012345678", "+210"),
        ("+358401234567", "+35840"),
        ("+5491123456789", "+549112"),
        ("+546752345678", "+54675234"),  # a mobile without its 9: both groups are taken for the area code
        ("+44", "+44"),
    ],
)
def test_a_few_digits_decide(number: str, decided: str) -> None:
    assert deciding(number) == decided

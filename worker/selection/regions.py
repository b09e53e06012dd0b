"""Where a number is at home, from its numbering plan.

The plans are libphonenumber's: its metadata tells the country, the kind of line and how long the area code is;
its geocoding data tells which city or state a prefix belongs to. What neither knows is still placed as far as the
digits go: by the first three in North America, by the country elsewhere.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cache, partial
from typing import Final, NamedTuple

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    REGION_CODE_FOR_NON_GEO_ENTITY,
    UNKNOWN_REGION,
    PhoneNumber,
    PhoneNumberType,
    country_mobile_token,
    length_of_geographical_area_code,
    length_of_national_destination_code,
    ndd_prefix_for_region,
    number_type,
    region_code_for_number,
)

from worker.selection.blocks import Blocks
from worker.selection.geodata import DESCRIPTIONS, country_names
from worker.selection.numbering_plan import NORTH_AMERICA, calling_code_of


class Location(NamedTuple):
    """Where a number is at home. Equal keys mean the same area, place or country, also across countries."""

    landline: bool
    """Whether it has a home that counts: a fixed line, or one that the plan does not tell from a mobile."""
    country: str
    """ISO 3166 code; `001` for the numbers of no country (+800, +979), `ZZ` for no country code in service."""
    area: str | None
    """The country code with the area code or, in a plan without, the numbering area: `+1212`, `+3902`, `+4722`."""
    place: str | None
    """The state or province, where the data tell it, else the city: `US:California`, `IT:Milan`."""


_LANDLINES: Final = frozenset(
    {
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.UNKNOWN,  # most likely an area code that is newer than the metadata
    }
)
_PLACED: Final = _LANDLINES | {PhoneNumberType.MOBILE}
"""Kinds that may have a place. A toll-free number has none, even if its digits look like some city's."""

_NORTH_AMERICAN_AREA_DIGITS: Final = 3

_MOST_BLOCKS: Final = 1 << 16  # 30 MB, for phones of all the world

_STATE_SEPARATORS: Final = {"55": " - "}
"""What stands between city and state in a description, where it is not a comma: Campinas - SP."""
_SPELLED_OUT: Final = frozenset({NORTH_AMERICA, "55"})
"""Calling codes whose descriptions call the same state by its name and by its abbreviation."""
_MISSPELT: Final = {"British Colombia": "British Columbia"}  # area code 257 in the geocoding data

_BLOCKS: Final = Blocks[Location](_MOST_BLOCKS)


def locate(number: str) -> Location:
    """Tell where an E.164 number is at home. Never raises, not even for a number that cannot exist.

    Memoised by as few of its digits as decide, and its length: 0.3 µs for a phone of a known block, some 50 µs for
    the first one of a block.
    """
    known = _BLOCKS.known_of(number)
    length = len(number)
    location = known.get(length)
    if location is None:
        location = known[length] = locate_uncached(number)
    return location


def locate_uncached(number: str) -> Location:
    """Tell where an E.164 number is at home, from all of its digits; `locate` gives the same, faster."""
    calling_code = calling_code_of(number)
    if calling_code is None:
        return Location(landline=False, country=UNKNOWN_REGION, area=None, place=None)
    main_country = COUNTRY_CODE_TO_REGION_CODE[int(calling_code)][0]
    subscriber = number[len("+") + len(calling_code) :]
    if not subscriber or main_country == REGION_CODE_FOR_NON_GEO_ENTITY:
        return Location(landline=False, country=main_country, area=None, place=None)
    if calling_code == NORTH_AMERICA:
        return _in_north_america(subscriber, main_country)
    return _elsewhere(calling_code, subscriber, main_country)


def _phone_number(calling_code: str, subscriber: str) -> PhoneNumber:
    # Not `parse`: it would also mend what is no E.164, by more digits than those that decide.
    zeros = min(len(subscriber) - len(subscriber.lstrip("0")), len(subscriber) - 1)
    return PhoneNumber(
        country_code=int(calling_code),
        national_number=int(subscriber),
        italian_leading_zero=zeros > 0 or None,
        number_of_leading_zeros=zeros if zeros > 1 else None,
    )


def _in_north_america(subscriber: str, main_country: str) -> Location:
    """Locate a +1 number: the area is its first three digits, whether the metadata know them or not."""
    phone = _phone_number(NORTH_AMERICA, subscriber)
    area_code = subscriber[:_NORTH_AMERICAN_AREA_DIGITS]
    # An exchange that the metadata do not know hides the country of its area code; a common one tells it.
    neighbour = _phone_number(NORTH_AMERICA, f"{area_code}2345678")
    country = region_code_for_number(phone) or region_code_for_number(neighbour) or main_country
    return Location(
        landline=number_type(phone) in _LANDLINES,
        country=country,
        area=f"+{NORTH_AMERICA}{area_code}",
        place=_place(country, _north_american_states().get(area_code)),
    )


def _elsewhere(calling_code: str, subscriber: str, main_country: str) -> Location:
    phone = _phone_number(calling_code, subscriber)
    country = region_code_for_number(phone) or main_country
    kind = number_type(phone)
    if kind not in _PLACED:
        return Location(landline=False, country=country, area=None, place=None)
    token = country_mobile_token(int(calling_code))
    if kind == PhoneNumberType.MOBILE and token and subscriber.startswith(token):
        # An Argentine mobile is of the area whose code follows the 9.
        subscriber = subscriber.removeprefix(token) or subscriber
        phone = _phone_number(calling_code, subscriber)
    prefix, description = DESCRIPTIONS.longest(calling_code + subscriber) or (None, None)
    area_digits = _area_digits(phone, country)
    if area_digits:
        prefix = calling_code + subscriber[:area_digits]
    return Location(
        landline=kind in _LANDLINES,
        country=country,
        area=f"+{prefix}" if prefix else None,
        place=_place(country, _region(calling_code, description) if description else None),
    )


def _area_digits(phone: PhoneNumber, country: str) -> int:
    """Give the length of the area code in digits, leading zeros included; 0 in a plan without area codes."""
    if number_type(phone) != PhoneNumberType.UNKNOWN:
        return length_of_geographical_area_code(phone)
    # The library gives no area code to what it does not know; the plan's grouping of digits still shows it.
    # A plan that dials no prefix before area codes has none, unless its numbers start with a zero, as Italy's do.
    if ndd_prefix_for_region(country, strip_non_digits=True) or phone.italian_leading_zero:
        return length_of_national_destination_code(phone)
    return 0


def _place(country: str, name: str | None) -> str | None:
    # A name of the country itself, in whatever language, would be no closer than the country.
    if name is None or name in country_names(country):
        return None
    return f"{country}:{name}"


def _region(calling_code: str, description: str) -> str:
    """Give the state that a description ends with, by its full name where that is known; else all of it."""
    state = description.rpartition(_STATE_SEPARATORS.get(calling_code, ", "))[2]
    if calling_code in _SPELLED_OUT:
        state = _states_by_abbreviation(calling_code).get(state, state)
    return _MISSPELT.get(state, state)


@cache
def _states_by_abbreviation(calling_code: str) -> Mapping[str, str]:
    """Learn what the abbreviations stand for: within 1201, New Jersey, lies 1201332, Jersey City, NJ."""
    separator = _STATE_SEPARATORS.get(calling_code, ", ")
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    prefix_around, name_around = "none yet", ""  # the last, and so shortest, that names no city with its state
    for prefix, description in DESCRIPTIONS.within(calling_code):
        _, found, abbreviation = description.rpartition(separator)
        if prefix.startswith(prefix_around):
            if found:
                votes[abbreviation][name_around] += 1
        elif not found:
            prefix_around, name_around = prefix, description
    return {abbreviation: names.most_common(1)[0][0] for abbreviation, names in votes.items()}


@cache
def _north_american_states() -> Mapping[str, str]:
    """Give the state or province of each area code.

    Where the data describe no area code as a whole, its exchanges vote. Only states have a vote, so that an
    island's only town that is described does not stand for the island.
    """
    known = set(_states_by_abbreviation(NORTH_AMERICA).values())
    state_of = cache(partial(_region, NORTH_AMERICA))  # most descriptions are of many prefixes
    whole: dict[str, str] = {}
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for prefix, description in DESCRIPTIONS.within(NORTH_AMERICA):
        area_code, exchange = prefix[1:4], prefix[4:]
        state = state_of(description)
        if not exchange:
            whole[area_code] = state
        elif state in known:
            votes[area_code][state] += 1
    return {area_code: states.most_common(1)[0][0] for area_code, states in votes.items()} | whole

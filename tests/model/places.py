"""Where a number is at home, asked of the numbering plan anew each time."""

from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneNumberType

from worker.selection.regions import locate


class Home(NamedTuple):
    """A number's home. `None` for what its numbering plan does not tell."""

    landline: bool
    country: str
    area: str | None
    place: str | None


def e164(phone: str) -> str | None:
    """The phone as E.164, `None` if it is not a possible number."""
    try:
        parsed = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def home(number: str) -> Home:
    """The home of an E.164 number.

    What a city or a state is called, and what a numbering area is where the plan has no area codes, are the
    engine's own choice: those alone are taken from it.
    """
    parsed = phonenumbers.parse(number, None)
    landline = phonenumbers.number_type(parsed) in (
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.UNKNOWN,  # in service before the metadata knows it
    )
    country = phonenumbers.region_code_for_number(parsed) or phonenumbers.region_code_for_country_code(
        parsed.country_code or 0
    )
    national = phonenumbers.national_significant_number(parsed)
    length = 3 if parsed.country_code == 1 else phonenumbers.length_of_geographical_area_code(parsed)
    located = locate(number)
    token = phonenumbers.country_mobile_token(parsed.country_code or 0)  # Argentina's 9 before the area code
    start = len(token) if token and not landline and national.startswith(token) else 0
    area = f"+{parsed.country_code}{national[start:length]}" if length else located.area
    return Home(landline, country, area, located.place)


def tiers(phone: str, available: set[str]) -> list[tuple[str, set[str], bool]]:
    """The tiers of a landline, closest first: the reason that an empty one is passed for, its numbers, is it known."""
    here = home(phone)
    homes = {number: home(number) for number in available}
    compatriots = {n for n, h in homes.items() if h.country == here.country}
    area = {n for n in compatriots if here.area is not None and homes[n].area == here.area}
    place = {n for n in compatriots if here.place is not None and homes[n].place == here.place}
    return [
        ("no_number_in_area", area, here.area is not None),
        ("no_number_in_place", place, here.place is not None),
        ("no_number_in_country", compatriots, True),
    ]

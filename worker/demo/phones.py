"""Phones of made-up contacts: real area codes and mobile prefixes of several countries, random digits after."""

from collections.abc import Iterable, Sequence
from random import Random
from typing import Final, NamedTuple


class Plan(NamedTuple):
    """The shapes of a country's phones; `#` stands for any digit."""

    landlines: tuple[str, ...]
    mobiles: tuple[str, ...] = ()


PLANS: Final = {
    "+358": Plan(("92######", "332#####", "282#####", "82######"), ("40#######", "50#######")),
    "+46": Plan(("8465004##", "87######", "31390####", "40628####", "18#######"), ("70#######",)),
    "+1": Plan(
        # New York twice, the state's north, Los Angeles, San Francisco, San Diego, Chicago, Texas, Florida
        (*(f"{area}55501##" for area in (212, 718, 716, 213, 415, 619, 312, 512, 305)),)
    ),
    "+44": Plan(("2079460###", "1614960###", "1214960###"), ("7400######",)),
    "+39": Plan(("06########", "02########", "011#######"), ("347#######",)),
    "+33": Plan(("14#######", "49#######", "38#######"), ("6########",)),
    "+49": Plan(("302312####", "406696####", "8999998###", "2212#####"), ("1512#######",)),
    "+34": Plan(("91#######", "93#######"), ("61#######",)),
}
"""By calling code. North American mobiles cannot be told from landlines."""

_MOBILE_SHARE: Final = 0.3
"""Below what is true of most countries, so that regional choice has something to choose."""


def calling_codes(numbers: Iterable[str]) -> tuple[str, ...]:
    """The countries that some outbound numbers are of, as calling codes; all, if none of them has a plan here."""
    shown = tuple(numbers)
    return tuple(code for code in PLANS if any(number.startswith(code) for number in shown)) or tuple(PLANS)


def random_phone(code: str, chance: Random) -> str:
    """A phone of a country in E.164, landline or mobile."""
    plan = PLANS[code]
    mobile = plan.mobiles and chance.random() < _MOBILE_SHARE
    shapes: Sequence[str] = plan.mobiles if mobile else plan.landlines
    return code + "".join(str(chance.randrange(10)) if sign == "#" else sign for sign in chance.choice(shapes))

"""What places the geocoding data of libphonenumber name, in English, packed.

The library holds them as a dict of dicts in all languages: a process that has imported it is of 112 MB. What is
needed here is copied out once, and the library's own copy is let go: 54 MB, of which 28 are free to be used again
(phonenumbers 9.0.43, Python 3.11, VmRSS). Who imports it later gets it anew.
"""

import gc
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

import phonenumbers

_LIBRARYS: Final = "phonenumbers.geodata"


class Descriptions:
    """Prefixes of international numbers, without the plus, and what they are described as: sorted arrays of both."""

    def __init__(self) -> None:
        from phonenumbers.geodata import GEOCODE_DATA, GEOCODE_LONGEST_PREFIX  # noqa: PLC0415 - to be let go below

        self.longest_prefix: int = GEOCODE_LONGEST_PREFIX
        """Digits of the longest prefix."""
        named = sorted((int(prefix), names["en"]) for prefix, names in GEOCODE_DATA.items() if "en" in names)
        places: dict[str, int] = {}
        self._prefixes = array("q", (prefix for prefix, _ in named))  # no calling code begins with a zero
        self._places = array("i", (places.setdefault(name, len(places)) for _, name in named))
        # One text, as the names themselves lie all over what is let go, and would keep it from the system.
        encoded = [name.encode() for name in places]
        self._starts = array("i", accumulate(map(len, encoded), initial=0))
        self._names = b"".join(encoded)

    def get(self, prefix: str) -> str | None:
        """The description of exactly this prefix, given in digits."""
        wanted = int(prefix)
        found = bisect_left(self._prefixes, wanted)
        if found < len(self._prefixes) and self._prefixes[found] == wanted:
            return self._name(self._places[found])
        return None

    def items(self) -> Iterator[tuple[str, str]]:
        """All prefixes with their descriptions, in the order of the numbers."""
        return ((str(prefix), self._name(place)) for prefix, place in zip(self._prefixes, self._places, strict=True))

    def _name(self, place: int) -> str:
        return self._names[self._starts[place] : self._starts[place + 1]].decode()


def _let_go() -> None:
    for name in [name for name in sys.modules if name.startswith(_LIBRARYS)]:
        del sys.modules[name]
    del phonenumbers.geodata
    gc.collect()


def _country_names() -> dict[str, frozenset[str]]:
    from phonenumbers.geodata.locale import LOCALE_DATA  # noqa: PLC0415 - to be let go below

    return {country: frozenset(names.values()) for country, names in LOCALE_DATA.items()}


DESCRIPTIONS: Final = Descriptions()

COUNTRY_NAMES: Final = _country_names()
"""What a country is called, in any language, by its ISO 3166 code."""

_let_go()

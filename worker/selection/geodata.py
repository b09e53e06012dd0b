"""What places the geocoding data of libphonenumber name, in English, packed.

The library keeps the data in some thirty modules, which follow each other in the order of text, and gathers them in
one dict of dicts in all languages as soon as their package is imported: 150 MB and half a second. Here a module is
read when a number first wants it, past the package, and let go when it is packed.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from itertools import accumulate, count, takewhile
from pkgutil import iter_modules
from types import ModuleType
from typing import Final

from phonenumbers import __version__

_PACKAGE: Final = "phonenumbers.geodata"
_PAST_DIGITS: Final = ":"  # the character after the 9

NamesByPrefix = Mapping[str, Mapping[str, str]]
"""What prefixes of international numbers, without the plus, are described as, by language."""


class Part:
    """Prefixes and their English descriptions in the order of text, in arrays."""

    def __init__(self, names_by_prefix: NamesByPrefix) -> None:
        """Pack what is described. Raises `ImportError` if that is nothing, or not in the order of text."""
        described = {prefix: names["en"] for prefix, names in names_by_prefix.items() if "en" in names}
        if not described or list(described) != sorted(described):
            raise _unknown_layout("a module has no English, or is not in the order of text")
        places: defaultdict[str, int] = defaultdict(count().__next__)
        self._prefixes = array("q", map(int, described))  # no calling code begins with a zero
        self._places = array("i", map(places.__getitem__, described.values()))
        # One text, as the names themselves lie all over what is let go, and would keep it from the system.
        encoded = [name.encode() for name in places]
        self._starts = array("i", accumulate(map(len, encoded), initial=0))
        self._names = b"".join(encoded)
        self.first = next(iter(described))
        """The first prefix."""

    def at_or_before(self, digits: str) -> tuple[str, str]:
        """The last prefix that is not behind the digits, which are not before the first."""
        return self._at(bisect_right(self._prefixes, digits, key=str) - 1)

    def after(self, digits: str) -> str | None:
        """The first prefix that is behind the digits, if there is one."""
        index = bisect_right(self._prefixes, digits, key=str)
        return str(self._prefixes[index]) if index < len(self._prefixes) else None

    def between(self, begin: str, end: str) -> Iterator[tuple[str, str]]:
        """All prefixes from the one up to, and without, the other."""
        first = bisect_left(self._prefixes, begin, key=str)
        found = slice(first, bisect_left(self._prefixes, end, first, key=str))
        places = self._places[found]
        names = {place: self._name(place) for place in set(places)}  # each once: North America is read at start-up
        return zip(map(str, self._prefixes[found]), map(names.__getitem__, places), strict=True)

    def _at(self, index: int) -> tuple[str, str]:
        return str(self._prefixes[index]), self._name(self._places[index])

    def _name(self, place: int) -> str:
        return self._names[self._starts[place] : self._starts[place + 1]].decode()


class Descriptions:
    """Parts that follow each other in the order of text, each packed when it is first asked."""

    def __init__(self, parts: int, read: Callable[[int], NamesByPrefix]) -> None:
        """Take the number of parts, and what reads one of them."""
        self._indexes = range(parts)
        self._part = cache(lambda index: Part(read(index)))

    def longest(self, digits: str) -> tuple[str, str] | None:
        """The longest prefix of the digits that is described, and its description."""
        while digits:
            index = bisect_right(self._indexes, digits, key=self._first) - 1
            if index < 0:
                break
            prefix, name = self._part(index).at_or_before(digits)
            if digits.startswith(prefix):
                return prefix, name
            # A shorter one would begin both, as it stands before both.
            while not prefix.startswith(digits):
                digits = digits[:-1]
        return None

    def within(self, digits: str) -> Iterator[tuple[str, str]]:
        """All prefixes that begin with the digits, with their descriptions, in the order of text."""
        end = digits + _PAST_DIGITS
        first = bisect_right(self._indexes, digits, key=self._first) - 1
        for index in range(max(first, 0), bisect_left(self._indexes, end, key=self._first)):
            yield from self._part(index).between(digits, end)

    def any_beyond(self, digits: str) -> bool:
        """Whether a prefix that begins with the digits, and goes on, is described."""
        index = bisect_right(self._indexes, digits, key=self._first) - 1
        following = self._part(index).after(digits) if index >= 0 else None
        if following is None and index + 1 < len(self._indexes):
            following = self._first(index + 1)
        return following is not None and following.startswith(digits)

    def _first(self, index: int) -> str:
        return self._part(index).first


def _read(name: str) -> ModuleType:
    """Run a module of the package without the package, and leave no trace of it among the modules of the process."""
    spec = PathFinder.find_spec(f"{_PACKAGE}.{name}", _FOLDERS)
    if spec is None or spec.loader is None:
        raise _unknown_layout(f"{name} is missing")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _unknown_layout(reason: str) -> ImportError:
    return ImportError(
        f"{_PACKAGE} of phonenumbers {__version__} cannot be read: {reason}. "
        "Install the version that requirements.lock names."
    )


def _folders() -> list[str]:
    package = find_spec(_PACKAGE)  # which does not import it
    if package is None:
        raise _unknown_layout("it is missing")
    return list(package.submodule_search_locations or ())


def count_parts(modules: Collection[str]) -> int:
    """How many parts these modules of the package make: data0, data1 and so on. Raises `ImportError` if none."""
    parts = sum(1 for _ in takewhile(lambda name: name in modules, map("data{}".format, count())))
    if not parts or parts < sum(name.startswith("data") for name in modules):
        raise _unknown_layout("its modules are not data0, data1 and so on")
    return parts


@cache
def country_names(country: str) -> frozenset[str]:
    """What a country is called, in any language, by its ISO 3166 code."""
    return _country_names().get(country, frozenset())


@cache
def _country_names() -> Mapping[str, frozenset[str]]:
    return {country: frozenset(names.values()) for country, names in _read("locale").LOCALE_DATA.items()}


_FOLDERS: Final = _folders()

DESCRIPTIONS: Final = Descriptions(
    count_parts({module.name for module in iter_modules(_FOLDERS)}), lambda index: _read(f"data{index}").data
)

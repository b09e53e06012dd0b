import subprocess
import sys
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers.geodata import GEOCODE_DATA
from phonenumbers.geodata.locale import LOCALE_DATA

from worker.selection.geodata import DESCRIPTIONS, Descriptions, count_parts, country_names

ENGLISH = {prefix: names["en"] for prefix, names in GEOCODE_DATA.items() if "en" in names}


def test_all_that_the_library_describes_in_english_is_there() -> None:
    assert dict(DESCRIPTIONS.within("")) == ENGLISH


def test_a_country_has_the_names_of_all_languages() -> None:
    assert {"Finland", "Suomi", "Finlandia"} <= country_names("FI")
    assert {country: country_names(country) for country in LOCALE_DATA} == {
        country: frozenset(names.values()) for country, names in LOCALE_DATA.items()
    }
    assert country_names("001") == frozenset()


def in_parts(names: Mapping[str, str], size: int) -> Descriptions:
    described = [{prefix: {"fr": "?", "en": name}} for prefix, name in sorted(names.items())]
    parts = [described[at : at + size] for at in range(0, len(described), size)]
    return Descriptions(len(parts), lambda index: {p: n for each in parts[index] for p, n in each.items()})


# Few digits, so that many of the prefixes begin each other.
prefixes = st.from_regex(r"[1-3][0-3]{0,5}", fullmatch=True)
few_names = st.dictionaries(prefixes, st.sampled_from(["Åland", "Bari", "Cork"]), max_size=40)


@given(few_names, st.integers(1, 7), prefixes)
def test_the_longest_prefix_is_found_across_parts(names: Mapping[str, str], size: int, digits: str) -> None:
    ends = range(len(digits), 0, -1)
    expected = next(((digits[:end], names[digits[:end]]) for end in ends if digits[:end] in names), None)
    assert in_parts(names, size).longest(digits) == expected


@given(few_names, st.integers(1, 7), prefixes | st.just(""))
def test_what_begins_with_digits_is_found_across_parts(names: Mapping[str, str], size: int, digits: str) -> None:
    expected = [(prefix, name) for prefix, name in sorted(names.items()) if prefix.startswith(digits)]
    assert list(in_parts(names, size).within(digits)) == expected


@given(few_names.filter(bool), st.integers(1, 7), prefixes)
def test_whether_a_prefix_goes_beyond_digits_is_found_across_parts(
    names: Mapping[str, str], size: int, digits: str
) -> None:
    expected = any(prefix.startswith(digits) and prefix != digits for prefix in names)
    assert in_parts(names, size).any_beyond(digits) == expected


def test_a_part_is_read_when_it_is_asked_and_once() -> None:
    read: list[int] = []

    def part(index: int) -> Mapping[str, Mapping[str, str]]:
        read.append(index)
        return {f"{index + 1}0": {"en": "somewhere"}}

    descriptions = Descriptions(7, part)
    assert not read
    for _ in range(2):
        assert descriptions.longest("701") == ("70", "somewhere")
    assert read == [3, 5, 6]


@pytest.mark.parametrize("part", [{"20": {"en": "second"}, "10": {"en": "first"}}, {"10": {"fr": "premier"}}])
def test_data_that_could_not_be_found_again_are_refused(part: Mapping[str, Mapping[str, str]]) -> None:
    with pytest.raises(ImportError, match=r"phonenumbers [0-9.]+ cannot be read: .* requirements\.lock"):
        Descriptions(1, lambda _: part).longest("10")


def test_the_parts_are_counted() -> None:
    assert count_parts({"locale", "data1", "data0", "data2"}) == 3


@pytest.mark.parametrize("modules", [set(), {"locale"}, {"data1"}, {"data0", "data2"}, {"data0", "data_0"}])
def test_a_package_of_other_parts_is_refused(modules: set[str]) -> None:
    with pytest.raises(ImportError, match=r"not data0, data1 and so on"):
        count_parts(modules)


def test_the_librarys_own_gathering_of_the_data_is_never_imported() -> None:
    code = (
        "import sys; from worker.selection.regions import locate; "
        "assert locate('+12125550123').place == 'US:New York'; assert locate('+551938251234').place == 'BR:São Paulo'; "
        "print(*(name for name in sys.modules if name.startswith('phonenumbers.geodata')))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not result.stdout.strip()

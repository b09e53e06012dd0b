import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, example_number, format_number, is_valid_number, parse
from phonenumbers.phonenumberutil import PhoneNumberFormat
from pydantic import TypeAdapter

from schemas.fields import E164
from worker.selection.phone import MAX_DIGITS, parsed_to_e164, to_e164


@pytest.mark.parametrize(
    ("phone", "number"),
    [
        ("+358401234567", "+358401234567"),
        ("+358 40 123 4567", "+358401234567"),
        (" +1 (212) 555-0123 ", "+12125550123"),
        ("+1.212.555.0123", "+12125550123"),
        ("tel:+358-40-1234567", "+358401234567"),
        ("+800 1234 5678", "+80012345678"),
        ("+54 9 11 2345-6789", "+5491123456789"),
    ],
)
def test_punctuation_is_dropped(phone: str, number: str) -> None:
    assert to_e164(phone) == number


def test_a_national_prefix_in_brackets_is_dropped() -> None:
    assert to_e164("+44 (0)20 7946 0018") == "+442079460018"


@pytest.mark.parametrize("phone", ["+39 06 1234 5678", "+39 02 1234 5678", "+39 010 123 4567"])
def test_italys_leading_zero_is_kept(phone: str) -> None:
    assert to_e164(phone) == phone.replace(" ", "")


@pytest.mark.parametrize("phone", ["+1 222 496 1234", "+1 932 496 1234", "+7 727 123 4567", "+54 223 123 4567"])
def test_a_possible_number_that_the_metadata_do_not_know_passes(phone: str) -> None:
    assert not is_valid_number(parse(phone))
    assert to_e164(phone) == phone.replace(" ", "")


@pytest.mark.parametrize(
    "phone",
    ["+1 212 555 0123 ext. 55", "tel:+1-212-555-0123;ext=55", "+1 212 555 0123 x55", "+1 212 555 0123;isub=55"],
)
def test_an_extension_is_dropped(phone: str) -> None:
    assert to_e164(phone) == "+12125550123"


def test_letters_become_the_digits_of_their_keys() -> None:
    assert to_e164("+1 800 FLOWERS") == "+18003569377"


@pytest.mark.parametrize("phone", ["\uff0b３５８４０１２３４５６７", "+٣٥٨٤٠١٢٣٤٥٦٧"])  # noqa: RUF001 - the very digits
def test_digits_of_other_scripts_count(phone: str) -> None:
    assert to_e164(phone) == "+358401234567"


@pytest.mark.parametrize(
    ("phone", "why"),
    [
        ("", "empty"),
        ("+", "only a plus"),
        ("\x00", "NUL"),
        ("+358\x00401234567", "NUL inside"),
        ("0401234567", "national"),
        ("358401234567", "without a plus"),
        ("00358401234567", "with an exit code in the place of a plus"),
        ("call +358401234567", "words before it"),
        ("0401234567;phone-context=+358", "its plus elsewhere"),
        ("+358401234567 or +358401234568", "two numbers"),
        ("+999123456", "no such country code"),
        ("+1 212 555 012", "too short"),
        ("+1 555 0123", "local only"),
        ("+1 212 555 01234", "too long"),
        ("+52 1 55 1234 5678", "a length that Mexico gave up"),
        ("+" + "1" * 10_000, "far too long"),
        ("+1 212 555 \ud800", "half a character"),
    ],
)
def test_what_cannot_be_a_number_is_none(phone: str, why: str) -> None:
    assert to_e164(phone) is None, why


def test_a_number_longer_than_e164_allows_is_none() -> None:
    longest = "+49 30 12345678901"  # Germany's plan allows itself two digits more
    assert to_e164(longest) == longest.replace(" ", "")
    assert len(longest.replace(" ", "")) == MAX_DIGITS + 1
    assert to_e164(longest + "2") is None


def test_every_country_has_possible_numbers() -> None:
    for country in ("US", "FI", "IT", "BR", "AR", "DE", "SM", "SG", "NU"):
        sample = example_number(country)
        assert sample is not None
        written = format_number(sample, PhoneNumberFormat.INTERNATIONAL)
        assert to_e164(written) == format_number(sample, PhoneNumberFormat.E164)


@given(st.text(max_size=120) | st.text("+0123456789 -()/.;=extA\x00", max_size=120).map("+".__add__))
@example("+1;ext=")
@example("+;phone-context=")
@settings(deadline=None)
def test_any_text_gives_none_or_what_the_contract_calls_e164(phone: str) -> None:
    number = to_e164(phone)
    assert number is None or TypeAdapter(E164).validate_python(number) == number


WRITTEN_OUT = st.builds(
    "+{}{}{}".format,
    st.sampled_from(list(COUNTRY_CODE_TO_REGION_CODE)),
    st.sampled_from(["", "0", "00", "1", "8", "06", "15", "9"]),  # most national prefixes, and what is none elsewhere
    st.from_regex(r"[0-9]{0,14}", fullmatch=True),
)


@given(WRITTEN_OUT)
@settings(max_examples=2_000)
@example("+2349819319406232")  # of a length that its plan has, and one digit more than E.164 has
@example("+4402079460018")
def test_the_short_way_for_what_is_written_out_gives_what_the_parser_gives(phone: str) -> None:
    assert to_e164(phone) == parsed_to_e164(phone)


@pytest.mark.parametrize("calling_code", COUNTRY_CODE_TO_REGION_CODE)
def test_the_short_way_judges_every_length_of_a_plan_as_the_parser_does(calling_code: int) -> None:
    for digits in range(16):
        for digit in "2459":
            phone = f"+{calling_code}{digit * digits}"
            assert to_e164(phone) == parsed_to_e164(phone), phone

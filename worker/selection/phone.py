"""The phone that a dialer asks for, as E.164."""

import re
from functools import lru_cache
from typing import Final

from phonenumbers import (
    NumberParseException,
    PhoneNumberFormat,
    ValidationResult,
    format_number,
    is_possible_number_with_reason,
    parse,
)

MAX_DIGITS: Final = 15
"""Most digits of an international number: ITU-T E.164 section 6. Some plans allow themselves more."""

_CACHED_PHONES: Final = 1 << 15

# Nothing stands before the plus, so that a number is never dug out of a sentence. The second plus is the wide one
# of East Asian keyboards. What follows is judged by the parser: it knows punctuation, digits of other scripts,
# letters on keys and extensions.
_INTERNATIONAL: Final = re.compile(r"\s*(?:tel:)?\s*[+\uff0b]")


@lru_cache(_CACHED_PHONES)
def to_e164(phone: str) -> str | None:
    """Give the international phone, however it is punctuated, as E.164; `None` when it cannot be a number.

    Possible is enough: a country code in service and a length that its plan knows. Area codes are in service
    before the metadata knows them, so what follows the country code is not judged. An extension is dropped, letters
    become the digits of their keys, Italy's leading zero is kept. Never raises.
    """
    if not _INTERNATIONAL.match(phone):
        return None
    try:
        parsed = parse(phone)
    except NumberParseException:
        return None
    if is_possible_number_with_reason(parsed) != ValidationResult.IS_POSSIBLE:
        return None
    number = format_number(parsed, PhoneNumberFormat.E164)
    return number if len(number) <= len("+") + MAX_DIGITS else None

"""What a test told a worker of people, so that its logs can be searched for it."""

import json
import re
from typing import Final

DISTINCT_CHARACTERS: Final = 8
"""A shorter id may stand in a log by chance."""

COUNTRY_DIGITS: Final = 3
"""A number is also looked for without its country code, as people of the country write it."""


class PersonalData:
    """Ids and phone numbers of contacts, in the shapes in which a log may show them."""

    def __init__(self) -> None:
        self._words: set[str] = set()

    def note(self, *ids: str, phone: object = None) -> None:
        """Remember ids, and a phone number if it is one."""
        for each in ids:
            if len(each) >= DISTINCT_CHARACTERS:
                self._words |= {each, json.dumps(each)[1:-1], json.dumps(each, ensure_ascii=False)[1:-1]}
        digits = re.sub(r"\D", "", phone) if isinstance(phone, str) else ""
        if len(digits) >= DISTINCT_CHARACTERS:
            self._words |= {digits, digits[COUNTRY_DIGITS:]}

    def found_in(self, log: str) -> set[str]:
        """What of it the log shows. Numbers are found however they are set apart."""
        together = re.sub(r"(?<=\d)[ ().\-/]{1,3}(?=\d)", "", log)
        return {word for word in self._words if word in log or word in together}

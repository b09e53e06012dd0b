"""The fields of a record that does not fit: more lenient than the contract, so that a reply can be made.

A strict parser gives nothing of a record that is cut short, nests deeper than its stack or holds a number out of its
range, and the dialer would wait for ever although its `call_id` stands there to be read. Here one pass goes over the
text, with neither recursion nor backtracking, and takes the top-level fields up to where the text stops making sense.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Final

_TOKEN: Final = re.compile(
    r"""\s*+ (?: (?P<open> [\[{]++ ) | (?P<close> [\]}]++ ) | (?P<colon> : ) | (?P<comma> , )
              | (?P<text> "(?: [^"\\] | \\. )*+" ) | (?P<other> [^\s"\[\]{}:,]++ ) )""",
    re.DOTALL | re.VERBOSE,
)
_OPENING: Final = re.compile(r"\s*+\{")

_TEXT: Final = json.JSONDecoder(strict=False)  # line breaks and other control characters may stand in a text


def readable_fields(value: bytes) -> dict[str, str | None]:
    """The top-level fields of a JSON object, whatever comes after them; `None` for values that are not text.

    Where a field stands twice, the last one counts. Bytes that are not UTF-8 are lone surrogates in a text.
    """
    fields: dict[str, str | None] = {}
    name: str | None = None
    after_colon = False
    for token in _top_level(value.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")):
        kind = token.lastgroup
        if kind == "comma":
            name, after_colon = None, False
        elif kind == "colon":
            after_colon = True
        elif after_colon:
            if name is not None:
                fields[name] = _text(token["text"])
            name = None
        else:
            name = _text(token["text"])
    return fields


def _top_level(text: str) -> Iterator[re.Match[str]]:
    """The tokens of an object's own names and values: of a list or an object within it, what opens it."""
    opening = _OPENING.match(text)
    if opening is None:
        return
    depth, place = 1, opening.end()
    while depth > 0 and (token := _TOKEN.match(text, place)) is not None:
        place = token.end()
        if token.lastgroup == "close":
            depth -= len(token["close"])
        else:
            if depth == 1:
                yield token
            depth += len(token["open"] or "")


def _text(token: str | None) -> str | None:
    if token is None:
        return None
    try:
        text: str = _TEXT.decode(token)
    except ValueError:  # an escape that there is not
        return None
    return text

"""Records as a broken, careless or hostile producer may write them."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import strategies as st

from schemas.fields import MAX_ID_LENGTH
from worker.stream.unpacking import FetchedRecord

REQUESTS, OUTCOMES = "call-requested", "call-outcome"

PERSONAL: Final = "4012345678"
"""Part of every phone, number and wrong value here: it must not be found in any text about an error."""

NASTY_TEXTS: Final = (
    *(
        "",
        " ",
        "\0",
        "\n",
        "\x1f",
        "\x7f",
        "\u2028",
        "\ufeff",
        "\ufffd",
        "\ud800",
        "a\udfff",
        "\\",
        '"',
        "'",
        "{}",
        "}{17}",
    ),
    *("a:b", ":", "*", "é", "e\u0301", "🦉", "null", "spring", "regional", "x" * 1_000, "x" * 1_001, "🦉" * 1_000),
    *(
        "\x01" * 1_000,
        "\U000e0001" * 1_000,
        '"' * 1_000,
        "🦉" * 1_001,
        "x" * 20_000,
        f"+358{PERSONAL}",
        f"Anna {PERSONAL}",
    ),
)

NASTY_TIMES: Final = (
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+02:00", "0001-01-01T00:00:00-02:00", "0000-12-31T23:59:59-23:59"),
    *("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999-02:00", "9999-12-31T23:59:59.9999999+23:59"),
    *("2026-11-24T10:00:00", "2026-11-24", "2026-11-24T24:00:00Z", "2016-12-31T23:59:60Z", "2026-02-29T00:00:00Z"),
    *("2026-11-24T10:00:00+24:00", "2026-11-24T10:00:00+99:99", "2026-11-24T10:00:00-00:00", "2026-11-24t10:00:00z"),
    *(
        "2026-11-24T10:00:00." + "1" * 500 + "Z",
        "2026-11-24T10:00:00Z\n",
        "1795000000",
        f"{PERSONAL}",
        "٢026-11-24T10:00:00Z",
    ),
)

NASTY_PHONES: Final = (
    *(
        f"+358 {PERSONAL}",
        f"tel:+358-{PERSONAL};ext=7",
        f"\uff0b358{PERSONAL}",
        f"00358{PERSONAL}",
        "112",
        "+",
        "++1",
        "+0",
    ),
    *(
        "+1" + "5" * 98,
        "+" + "9" * 99,
        "+39 06 12345678",
        "+1 512 555 0100 ext. 4",
        "+٣٥٨٤٠١٢٣٤٥٦٧",
        f"+{PERSONAL}\0",
        "+1-800-FLOWERS",
    ),
    *("+800 1234 5678", "+881 6 1234 5678", "+999 123", "\ud800", f"(+358){PERSONAL}", " +358\u00a040\u00a01234567 "),
)

RAW_VALUES: Final = (
    *(
        "NaN",
        "-Infinity",
        "1e400",
        "-0",
        "-0.0",
        "1E-999",
        "9" * 400,
        "9" * 5_000,
        "-" + "9" * 5_000,
        f"{PERSONAL}.5",
        "01",
        "+1",
    ),
    *(
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 500 + "1" + "}" * 500,
        "[" * 100_000,
        '{"call_id":"within"}',
        "[{},[]]",
        "{}",
    ),
    *(
        '"\\ud800"',
        '"\\udbff\\udfff"',
        '"\\x41"',
        '"\\u00"',
        '"a\nb"',
        '"\0"',
        "tru",
        "'single'",
        "undefined",
        "/* no */ 1",
        "",
    ),
)
"""What may stand after a colon, as it is written; some of it is no JSON."""

texts = st.sampled_from(NASTY_TEXTS) | st.text(max_size=20)
ids = st.sampled_from(["call-1", "call-2", "spring", "autumn", "contact-1", "anna"]) | texts
times = (
    st.datetimes(timezones=st.timezones()).map(lambda time: time.isoformat())
    | st.just("2026-11-24T10:00:00+02:00")
    | st.sampled_from(NASTY_TIMES)
)
phones = st.sampled_from(NASTY_PHONES) | st.text("+0123456789 ().-;extABCtel:/\u0664", max_size=110).map(
    (f"+{PERSONAL[:5]}").__add__
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.just(float(PERSONAL)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
numbers = st.sampled_from(["+358912345678", f"+{PERSONAL}", "", "+0", "+358912345678\n", "112"]) | st.none()

FIELDS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "type": st.sampled_from([REQUESTS, REQUESTS, OUTCOMES, "number-assigned", "", None]),
    "call_id": ids,
    "project_id": ids,
    "contact_id": ids,
    "phone": phones,
    "agent_id": st.none() | ids,
    "requested_at": times,
    "outcome": ids,
    "next_number": numbers,
    "occurred_at": times,
}
KEY_FIELDS: Final = {
    REQUESTS: ("agent_id", "requested_at", "phone"),
    OUTCOMES: ("outcome", "next_number", "occurred_at"),
}


def _fits(text: str) -> bool:
    return 1 <= len(text) <= MAX_ID_LENGTH and text.encode("utf-8", "replace").decode() == text


good_ids = st.sampled_from(["spring", "regional", "autumn", "anna"]) | ids.filter(_fits)
good_times = st.sampled_from(
    ["2026-11-24T10:00:00+02:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999+23:59", "2026-11-24t10:00:00z"]
) | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
good_phones = st.sampled_from([f"+358{PERSONAL[:7]}", "+390612345678", "+15125550142"]) | phones.filter(
    lambda phone: _fits(phone) and len(phone) <= 100
)


@st.composite
def good_members(draw: st.DrawFn) -> list[tuple[str, str]]:
    """The fields of an event that fits, as `members` gives them."""
    kind = draw(st.sampled_from([REQUESTS, REQUESTS, OUTCOMES]))
    fields = {"type": kind} | {name: draw(good_ids) for name in ("call_id", "project_id", "contact_id")}
    if kind == REQUESTS:
        fields |= {"phone": draw(good_phones), "agent_id": draw(good_ids), "requested_at": draw(good_times)}
    else:
        fields |= {"outcome": draw(good_ids), "occurred_at": draw(good_times)}
    return [(json.dumps(name), json.dumps(value)) for name, value in fields.items()]


@st.composite
def one_odd_member(draw: st.DrawFn) -> list[tuple[str, str]]:
    """The fields of an event of which one is anything."""
    pairs = draw(good_members())
    place = draw(st.integers(0, len(pairs) - 1))
    name, _ = pairs[place]
    odd = FIELDS[json.loads(name)].map(json.dumps) | st.sampled_from(RAW_VALUES) | json_values.map(json.dumps)
    pairs[place] = name, draw(odd)
    return pairs


@st.composite
def members(draw: st.DrawFn) -> list[tuple[str, str]]:
    """The fields of an event, mostly right, as pairs of what is written before and after a colon."""
    kind = draw(st.sampled_from([REQUESTS, REQUESTS, OUTCOMES]))
    fields = {"type": kind} | {
        name: draw(FIELDS[name]) for name in ("call_id", "project_id", "contact_id", *KEY_FIELDS[kind])
    }
    escaped = draw(st.booleans())
    pairs = [(json.dumps(name), json.dumps(value, ensure_ascii=escaped)) for name, value in fields.items()]
    odd_names = st.sampled_from([*FIELDS, "more", "", "\ud800", "Call_ID"]).map(json.dumps)
    odd_values = st.sampled_from(RAW_VALUES) | json_values.map(json.dumps)
    for _ in range(draw(st.integers(0, 2))):
        pairs.insert(draw(st.integers(0, len(pairs))), (draw(odd_names), draw(odd_values)))
    for _ in range(draw(st.integers(0, 1))):
        del pairs[draw(st.integers(0, len(pairs) - 1))]
    return draw(st.permutations(pairs)) if draw(st.booleans()) else pairs


def written(pairs: list[tuple[str, str]], space: str = " ") -> bytes:
    """The object of such pairs, lone surrogates as the bytes that they would be."""
    return ("{" + f",{space}".join(f"{name}:{space}{value}" for name, value in pairs) + "}").encode(
        "utf-8", "surrogatepass"
    )


@st.composite
def mutated(draw: st.DrawFn, values: st.SearchStrategy[bytes]) -> bytes:
    """Bytes that were right, flipped, cut, doubled, moved or in another encoding."""
    value = draw(values)
    place = draw(st.integers(0, len(value)))
    before, after = value[:place], value[place:]
    few = draw(st.binary(max_size=6))
    forms = {
        "flip": before + bytes(byte ^ draw(st.integers(1, 255)) for byte in after[:1]) + after[1:],
        "cut": before,
        "insert": before + few + after,
        "delete": before + after[draw(st.integers(1, 20)) :],
        "double": value + value,
        "mark": b"\xef\xbb\xbf" + value,
        "utf-16": value.decode("utf-8", "replace").encode("utf-16"),
        "tail": value + few,
    }
    return forms[draw(st.sampled_from(sorted(forms)))]


good_events = good_members().map(written)
events = members().map(written)
bad_values = (
    st.none()
    | st.binary(max_size=80)
    | json_values.map(lambda value: json.dumps(value).encode())
    | one_odd_member().map(written)
    | events
    | mutated(good_events)
    | mutated(events)
)
values = st.booleans().flatmap(lambda good: good_events if good else bad_values)
timestamps = st.sampled_from(
    [-1, 0, -(2**63), 2**63 - 1, 253_402_300_799_999, 253_402_300_800_000, 1_795_000_000_000]
) | st.integers(-(2**63), 2**63 - 1)
headers = st.lists(
    st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), st.binary(max_size=8)), max_size=3
)
records = st.builds(
    FetchedRecord,
    st.sampled_from([REQUESTS, REQUESTS, OUTCOMES]),
    st.integers(0, 11),
    st.integers(0, 2**63 - 1),
    timestamps,
    st.none() | st.binary(max_size=8),
    values,
    headers.map(tuple),
)

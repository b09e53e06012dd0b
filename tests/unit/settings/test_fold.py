import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.settings import AgentSettings, NumberSettings, OutcomeSettings, ProjectSettings, SettingsRecord
from worker.selection.regions import Location, locate
from worker.selection.routing import Routing
from worker.settings.fold import Fold

A, B, C = "+358912345670", "+358912345671", "+46846500410"


def fold_of(*records: SettingsRecord) -> Fold:
    fold = Fold()
    put(fold, *records)
    return fold


def put(fold: Fold, *records: SettingsRecord) -> None:
    for record in records:
        fold.fold(fold.routing().version + 1, record.key.encode(), record.model_dump_json().encode())


def delete(fold: Fold, key: str) -> None:
    fold.fold(fold.routing().version + 1, key.encode(), None)


def number(value: str, **settings: object) -> NumberSettings:
    return NumberSettings.model_validate({"number": value, **settings})


def project(project_id: str, *numbers: str, **settings: object) -> ProjectSettings:
    return ProjectSettings.model_validate({"project_id": project_id, "numbers": numbers, **settings})


def test_an_empty_topic_has_no_settings_and_version_minus_one() -> None:
    routing = Fold().routing()
    assert (routing.version, dict(routing.numbers), dict(routing.projects)) == (-1, {}, {})


def test_each_kind_of_record_is_found_by_its_id() -> None:
    routing = fold_of(
        number(A), project("a:b", A), AgentSettings(agent_id="anna", number=A), OutcomeSettings(outcome="busy")
    ).routing()
    assert routing.version == 3
    assert routing.numbers[A] is True
    assert routing.projects["a:b"].settings.numbers == (A,)
    assert routing.agents["anna"].number == A
    assert routing.outcomes["busy"].next_number is None


def test_a_later_record_replaces_an_earlier_one_of_its_key() -> None:
    assert fold_of(number(A), number(A, label="Sales")).records() == [number(A, label="Sales")]
    assert fold_of(number(A), number(A, active=False)).routing().numbers[A] is False


@pytest.mark.parametrize("record", [number(A), project("p"), AgentSettings(agent_id="x"), OutcomeSettings(outcome="x")])
def test_a_tombstone_deletes(record: SettingsRecord) -> None:
    fold = fold_of(record)
    delete(fold, record.key)
    assert fold.records() == []
    assert fold.routing().version == 1
    assert not fold.routing().projects


@pytest.mark.parametrize("key", ["number:+1", "project:none", "tomorrow:x", "odd"])
def test_a_tombstone_of_something_unknown_is_harmless(key: str) -> None:
    fold = fold_of(number(A))
    assert fold.fold(1, key.encode(), None) is None
    assert fold.records() == [number(A)]


GOOD_KEY = f"number:{A}".encode()
GOOD_VALUE = number(A, label="bad luck").model_dump_json().encode()


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (GOOD_KEY, b"{", "Invalid JSON"),
        (GOOD_KEY, b"", "Invalid JSON"),
        (GOOD_KEY, b"\xff\xfe", "Invalid JSON"),
        (GOOD_KEY, b'{"type":"tomorrow"}', "tomorrow"),
        (GOOD_KEY, b'{"number":"+358912345670"}', "type"),
        (GOOD_KEY, b'{"type":"number","number":"0912345670"}', "number: number: String should match"),
        (GOOD_KEY, b"[" * 100_000, "recursion"),
        (b"number:+1", GOOD_VALUE, "the key is not that of the record"),
        (b"project:" + A.encode(), GOOD_VALUE, "the key is not that of the record"),
        (b"\xff", GOOD_VALUE, "the key is not UTF-8"),
        (b"\xff", None, "the key is not UTF-8"),
        (None, GOOD_VALUE, "the record has no key"),
    ],
)
def test_a_record_that_does_not_fit_is_refused_and_the_good_one_stays(
    key: bytes | None, value: bytes | None, reason: str
) -> None:
    fold = fold_of(number(A, label="good"))
    refusal = fold.fold(7, key, value)
    assert refusal is not None
    assert refusal.offset == 7
    assert reason in refusal.reason
    assert fold.refusals == 1
    assert fold.routing().version == 7
    assert fold.records() == [number(A, label="good")]


def test_a_refusal_shows_a_key_that_is_no_text() -> None:
    refusal = Fold().fold(0, b"number:\xff", b"")
    assert refusal is not None
    assert refusal.key == "number:\\xff"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"number:" + b"x" * 100_000, b"{}"),
        (b"project:a", b'{"type": "%b"}' % (b"x" * 100_000)),
        (b"project:a", b'{"type": "project", "project_id": "a", "outcomes": {"%b": 7}}' % (b"x" * 100_000)),
    ],
    ids=["key", "type", "name of an outcome"],
)
def test_a_refusal_is_short_however_long_the_record(key: bytes, value: bytes) -> None:
    refusal = Fold().fold(0, key, value)
    assert refusal is not None
    assert len(refusal.key) + len(refusal.reason) <= 2_000


def test_unknown_fields_of_a_record_are_ignored() -> None:
    fold = Fold()
    assert fold.fold(0, b"agent:x", b'{"type":"agent","agent_id":"x","tomorrow":1}') is None


def test_of_a_number_said_with_more_than_it_has_the_last_word_counts() -> None:
    fold = Fold()
    value = b'{"tomorrow":[1,{}],"active":false, "type":"number","number":"%b","active":true,"label":"S"}' % A.encode()
    assert fold.fold(0, GOOD_KEY, value) is None
    assert fold.routing().numbers == {A: True}
    assert fold.records() == [number(A, label="S")]


def test_routing_is_the_same_object_until_a_record_is_folded() -> None:
    fold = fold_of(number(A))
    before = fold.routing()
    assert fold.routing() is before
    put(fold, number(A))
    assert fold.routing() is not before
    assert fold.routing().numbers is before.numbers


def test_a_snapshot_keeps_what_it_had() -> None:
    fold = fold_of(number(A), number(B), project("p", A, B), AgentSettings(agent_id="x"), OutcomeSettings(outcome="o"))
    before = fold.routing()
    put(fold, number(A, active=False), project("p", B), project("q"))
    for key in (f"number:{B}", "agent:x", "outcome:o"):
        delete(fold, key)
    assert (dict(fold.routing().agents), dict(fold.routing().outcomes)) == ({}, {})
    assert before.numbers == {A: True, B: True}
    assert before.projects.keys() == {"p"}
    assert pool_of(before, "p") == {A, B}
    assert (list(before.agents), list(before.outcomes)) == (["x"], ["o"])


def test_a_snapshot_cannot_be_changed() -> None:
    routing = fold_of(number(A)).routing()
    with pytest.raises(TypeError):
        routing.numbers[B] = True  # type: ignore[index] # that it cannot be done is the point


def test_a_projects_pool_has_its_active_numbers_of_the_inventory() -> None:
    routing = fold_of(number(A), number(B, active=False), project("p", A, B, C)).routing()
    assert pool_of(routing, "p") == {A}


@pytest.mark.parametrize(
    "change",
    [
        number(C, active=False),
        project("q", A),
        project("p", A, B),
        AgentSettings(agent_id="x"),
        number(A),
        number(A, label="Sales"),
    ],
    ids=["unlisted number", "other project", "same settings", "agent", "same number", "label"],
)
def test_a_project_stays_compiled_while_neither_it_nor_its_numbers_change(change: SettingsRecord) -> None:
    fold = fold_of(number(A), number(C), project("p", A, B))
    before = fold.routing()
    put(fold, change)
    assert fold.routing() is not before
    assert fold.routing().projects["p"] is before.projects["p"]


@pytest.mark.parametrize(
    ("change", "pool"),
    [(number(A, active=False), set()), (number(B), {A, B}), (project("p", A, C), {A, C})],
    ids=["number deactivated", "number added", "project changed"],
)
def test_a_change_of_a_project_or_its_numbers_is_in_its_pool(change: SettingsRecord, pool: set[str]) -> None:
    fold = fold_of(number(A), number(C), project("p", A, B))
    assert pool_of(fold.routing(), "p") == {A}
    put(fold, change)
    assert pool_of(fold.routing(), "p") == pool


def test_what_is_compiled_is_not_looked_up_by_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    fold = fold_of(
        number("+12125550100"),
        project("spring", "+12125550100", selection_logic="regionally_random"),
        project("autumn", "+12125550100", selection_logic="random"),
    )
    looked_up = list[str]()

    def look_up(number: str) -> Location:
        looked_up.append(number)
        return locate(number)

    monkeypatch.setattr("worker.selection.pool.locate", look_up)
    fold.routing().compile()
    assert looked_up == ["+12125550100"]  # for the project that chooses by region, and only for that
    tiers = fold.routing().projects["spring"].pool.tiers(locate("+12125550199"))
    assert [list(numbers) for numbers, _ in tiers] == [["+12125550100"]] * 3
    assert looked_up == ["+12125550100"]


def test_projects_with_the_same_numbers_share_a_pool_as_long_as_they_are_the_same() -> None:
    fold = fold_of(number(A), number(B), number(C), project("p", A, B), project("q", B, A, C), project("r", C))
    put(fold, number(C, active=False))
    projects = fold.routing().projects
    assert projects["p"].pool is projects["q"].pool
    put(fold, number(C))
    assert fold.routing().projects["p"].pool is projects["p"].pool
    assert [pool_of(fold.routing(), name) for name in "pqr"] == [{A, B}, {A, B, C}, {C}]


def test_a_deleted_number_leaves_the_pool() -> None:
    fold = fold_of(number(A), project("p", A))
    assert pool_of(fold.routing(), "p") == {A}
    delete(fold, f"number:{A}")
    assert pool_of(fold.routing(), "p") == set()


def test_records_come_by_kind_and_id_whatever_the_order_of_the_topic() -> None:
    records: list[SettingsRecord] = [number(A), number(B), project("a"), project("b"), AgentSettings(agent_id="x")]
    assert fold_of(*reversed(records)).records() == records


KEYS = [f"number:{A}", f"number:{B}", "project:p", "project:q"]
RECORDS: list[SettingsRecord] = [
    *(number(value, active=active) for value in (A, B) for active in (True, False)),
    *(project(name, *numbers) for name in "pq" for numbers in ((), (A,), (A, B))),
]


@given(st.lists(st.tuples(st.one_of(st.sampled_from(RECORDS), st.sampled_from(KEYS)), st.booleans())))
def test_looking_in_between_does_not_change_what_the_topic_amounts_to(
    steps: list[tuple[SettingsRecord | str, bool]],
) -> None:
    looked_at, at_once = Fold(), Fold()
    for offset, (step, look) in enumerate(steps):
        for fold in (looked_at, at_once):
            if isinstance(step, str):
                fold.fold(offset, step.encode(), None)
            else:
                fold.fold(offset, step.key.encode(), step.model_dump_json().encode())
        if look:
            routing = looked_at.routing()
            assert routing.version == offset
            assert all(pool_of(routing, name) <= {A, B} for name in routing.projects)
    looked_at_last, expected = looked_at.routing(), at_once.routing()
    assert looked_at.records() == at_once.records()
    assert looked_at_last.numbers == expected.numbers
    assert looked_at_last.projects.keys() == expected.projects.keys()
    for name, compiled in expected.projects.items():
        assert looked_at_last.projects[name].settings == compiled.settings
        assert pool_of(looked_at_last, name) == pool_of(expected, name)


def pool_of(routing: Routing, project_id: str) -> set[str]:
    return {value for value in (A, B, C) if value in routing.projects[project_id].pool}

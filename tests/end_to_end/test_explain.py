"""`explain`: the contact's state, and why its calls showed what they did."""

from tests.end_to_end.centre import HELSINKI, TAMPERE, Centre

SETTINGS = f"""
numbers: [{{number: "{HELSINKI}"}}, {{number: "{TAMPERE}"}}]
projects:
  - project_id: spring
    numbers: ["{HELSINKI}", "{TAMPERE}"]
    number_for_first_call: "{HELSINKI}"
    selection_logic: different_number
"""


async def test_a_contact_is_explained_from_the_state_and_from_the_topic(centre: Centre) -> None:
    await centre.open(SETTINGS, partitions=2)
    first = await centre.call("spring", "anna")
    await centre.outcome("spring", "anna", first["call_id"], "busy")
    second = await centre.call("spring", "anna")
    contact = centre.contact("anna")
    for arguments in ((), ("--from-topic",)):
        told = centre.done("explain", contact, *arguments)
        assert f"Last number shown: {TAMPERE}" in told
        assert f"Project spring: 2 attempts, latest call {second['call_id']}" in told
        assert told.index(first["call_id"]) < told.rindex(second["call_id"])
        assert f"{HELSINKI}, by first_call_number" in told
        assert f"{TAMPERE}, by different_number" in told
        assert "passed over outcome_number: that outcome leads to no number" in told


async def test_nothing_is_known_of_a_contact_never_called(centre: Centre) -> None:
    centre.done("topics", "create", "--partitions", "1", "--replication-factor", "1")
    assert "Nothing is known of this contact" in centre.done("explain", "nobody")


def test_a_topic_that_is_not_there_is_named(centre: Centre) -> None:
    result = centre.command("explain", "nobody", "--from-topic")
    assert result.returncode == 1
    assert centre.topic("number-assigned") in result.stderr
    assert "topics create" in result.stderr

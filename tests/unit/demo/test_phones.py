# ruff: noqa: S311 - chance here is a game, and seeded

from random import Random

import phonenumbers
import pytest

from worker.demo.phones import PLANS, calling_codes, random_phone
from worker.selection.phone import to_e164
from worker.selection.regions import locate


@pytest.mark.parametrize(("code", "shape"), [(code, shape) for code, plan in PLANS.items() for shape in plan.landlines])
def test_a_landline_of_the_plans_counts_as_one(code: str, shape: str) -> None:
    phone = code + shape.replace("#", "3")
    assert to_e164(phone) == phone
    assert locate(phone).landline


@pytest.mark.parametrize(("code", "shape"), [(code, shape) for code, plan in PLANS.items() for shape in plan.mobiles])
def test_a_mobile_of_the_plans_is_one(code: str, shape: str) -> None:
    phone = phonenumbers.parse(code + shape.replace("#", "3"))
    assert phonenumbers.number_type(phone) == phonenumbers.PhoneNumberType.MOBILE


@pytest.mark.parametrize("code", PLANS)
def test_a_country_has_landlines_and_the_mobiles_it_can_tell(code: str) -> None:
    phones = [random_phone(code, Random(seed)) for seed in range(100)]
    assert {to_e164(phone) for phone in phones} == set(phones)
    assert {locate(phone).landline for phone in phones} == ({True} if code == "+1" else {True, False})


def test_calling_codes_are_those_of_the_numbers() -> None:
    assert calling_codes(["+358912345670", "+46846500410"]) == ("+358", "+46")


@pytest.mark.parametrize("numbers", [[], ["+81312345678"]])
def test_numbers_of_no_planned_country_call_everywhere(numbers: list[str]) -> None:
    assert calling_codes(numbers) == tuple(PLANS)

"""Servers that let in only who may, shared by these tests, and a centre at them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from tests.end_to_end.centre import HELSINKI, Centre
from tests.security.places import DEFAULT_TOPICS, PASSWORDS, REDIS_PASSWORDS, Places
from tests.services.certificates import Certificates
from tests.services.secure_kafka import secure_kafka
from tests.services.secure_redis import secure_redis

SETTINGS = f"""
numbers: [{{number: "{HELSINKI}"}}]
projects: [{{project_id: spring, numbers: ["{HELSINKI}"]}}]
"""


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    with ExitStack() as stack:
        kafka = stack.enter_context(secure_kafka(certificates, PASSWORDS))
        kafka.allow()
        redis, expired, elsewhere = (
            stack.enter_context(secure_redis(certificates, REDIS_PASSWORDS, identity))
            for identity in (certificates.server, certificates.server_expired, certificates.server_elsewhere)
        )
        yield Places(kafka, redis, expired, elsewhere, certificates)


@pytest.fixture(scope="session")
async def guarded(places: Places, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Centre]:
    """A centre with topics and settings, made by the operator; its commands are the operator's. No worker runs."""
    centre = Centre(places.kafka.bootstrap, places.redis.url, tmp_path_factory.mktemp("guarded"))
    centre.environment |= DEFAULT_TOPICS | places.operator
    await centre.open(SETTINGS, workers=0, partitions=2)
    yield centre
    await centre.close()

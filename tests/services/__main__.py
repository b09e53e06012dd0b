"""Get ready what the tests will need, and say what they will run against: `python -m tests.services`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.services import kafka, redis
from tests.services.kafka_jars import java, kafka_jars
from tests.services.program import ServiceError
from tests.services.source import source

INSTALL_REDIS: Final = Path(__file__).with_name("install-redis.sh")


def main() -> int:
    try:
        print(f"Kafka: {_kafka()}")  # noqa: T201 - said to a person
        print(f"Redis: {_redis()}")  # noqa: T201 - likewise
    except ServiceError as error:
        print(error, file=sys.stderr)  # noqa: T201 - likewise
        return 1
    return 0


def _kafka() -> str:
    here = f"{kafka_jars()} by {java()}"
    if given := os.environ.get("KAFKA_BOOTSTRAP"):
        return f"{given}; a cluster by {here}"
    if source() == "docker":
        return f"{kafka.IMAGE} in Docker; a cluster by {here}"
    return here


def _redis() -> str:
    if given := os.environ.get("REDIS_URL"):
        return f"{given}; a cluster by {redis.redis_binary()}"
    if source() == "docker":
        return f"{redis.IMAGE} in Docker; a cluster by {redis.redis_binary()}"
    if shutil.which("redis-server") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        # Debian's is the same major version as production's; without it, the older one of the wheel will do.
        subprocess.run(["/bin/sh", INSTALL_REDIS], stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    return redis.redis_binary()


if __name__ == "__main__":
    sys.exit(main())

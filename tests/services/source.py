"""Where the services come from: Docker or this machine."""

import gc
import os
import warnings
from functools import cache
from typing import Final, Literal

from docker.errors import DockerException  # type: ignore[import-untyped] # ships no types
from testcontainers.core.docker_client import DockerClient

from tests.services.program import ServiceError

Source = Literal["docker", "local"]

VARIABLE: Final = "TEST_SERVICES"


def source() -> Source:
    """What `TEST_SERVICES` says; without it, Docker if an engine answers. Raises `ServiceError`."""
    match os.environ.get(VARIABLE, ""):
        case "":
            return "docker" if _engine_answers() else "local"
        case "docker" if not _engine_answers():
            raise ServiceError(f"{VARIABLE}=docker, but no Docker engine answers: start one, or set {VARIABLE}=local")
        case "docker":
            return "docker"
        case "local":
            return "local"
        case other:
            raise ServiceError(f"{VARIABLE}={other}: write docker or local, or leave it out")


@cache
def _engine_answers() -> bool:
    with warnings.catch_warnings():
        # Where no engine is, docker's client leaves its socket open, and a test would be blamed for it later.
        warnings.simplefilter("ignore", ResourceWarning)
        answers = _ping()
        gc.collect()
    return answers


def _ping() -> bool:
    try:
        client = DockerClient().client
    except DockerException:
        return False
    try:
        return bool(client.ping())
    except DockerException:
        return False
    finally:
        client.close()

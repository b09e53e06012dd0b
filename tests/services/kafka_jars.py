"""The jars of Apache Kafka, fetched once by Maven into `.cache/kafka`, and the Java that runs them."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.services.program import ServiceError

POM: Final = Path(__file__).with_name("pom.xml")
CACHE: Final = Path(__file__).parents[2] / ".cache" / "kafka"

JAVA_MIN: Final = 17
"""The oldest Java that brokers of Kafka 4 run on."""

_ELSE: Final = "start Docker, or set KAFKA_BOOTSTRAP to the address of a broker"


def kafka_jars() -> Path:
    """The folder of the jars; Maven fetches them if the pom has changed since. Raises `ServiceError`."""
    fetched_for = CACHE / POM.name
    if not (fetched_for.exists() and fetched_for.read_bytes() == POM.read_bytes()):
        _fetch()
    return CACHE


def java() -> str:
    """The path of a Java that is new enough. Raises `ServiceError`."""
    program = shutil.which("java")
    if program is None:
        raise ServiceError(f"Kafka needs Java, and there is none: install Java {JAVA_MIN} or newer, {_ELSE}")
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA_MIN:
        raise ServiceError(
            f"Kafka needs Java {JAVA_MIN} or newer, and {program} is {said.strip() or 'mute'}; or {_ELSE}"
        )
    return program


def _fetch() -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ServiceError(f"Kafka's jars come by Maven, and there is no mvn: install Maven, {_ELSE}")
    CACHE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE.parent) as folder:
        jars = Path(folder, "jars")
        command = [
            *(maven, "--batch-mode", "--quiet", "--file", str(POM)),
            *("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars}"),
        ]
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if result.returncode != 0:
            raise ServiceError(f"Maven did not fetch Kafka's jars; {_ELSE}:\n{result.stdout[-2000:]}")
        shutil.copy(POM, jars)
        shutil.rmtree(CACHE, ignore_errors=True)
        jars.rename(CACHE)

"""A program in a Docker container."""

import contextlib
from collections.abc import Mapping

from docker.errors import DockerException  # type: ignore[import-untyped] # ships no types
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from tests.services.program import TAIL_CHARACTERS, ServiceError


def docker_host() -> str:
    """The address at which the ports of containers are reached."""
    client = DockerClient()
    try:
        host = client.host()
    finally:
        client.client.close()
    # The name may also mean ::1, where the engine need not publish anything.
    return "127.0.0.1" if host == "localhost" else host


class Container:
    """A program as a container, with `port` published under the same number, so that a restart keeps its address.

    Testcontainers labels it and has it removed if this process dies.
    """

    def __init__(
        self, image: str, port: int, *, command: list[str] | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self._image = image
        self._container = DockerContainer(image, env=dict(environment or {})).with_bind_ports(port, port)
        if command is not None:
            self._container.with_command(command)
        self._is_created = False

    def start(self) -> None:
        """Create the container, or start it again."""
        try:
            if self._is_created:
                self._container.get_wrapped_container().start()
            else:
                self._container.start()
        except DockerException as error:
            raise ServiceError(
                f"Docker does not run {self._image}: {error}. Set TEST_SERVICES=local to do without Docker."
            ) from error
        self._is_created = True

    def stop(self) -> None:
        """Ask it to end; Docker kills it if that does not help."""
        if self.is_running():
            self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self.is_running():
            container = self._container.get_wrapped_container()
            container.kill()
            container.wait()

    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        if not self._is_created:
            return False
        self._container.reload()
        return self._container.status == "running"

    def log_tail(self) -> str:
        """The end of its log."""
        if not self._is_created:
            return ""
        return b"".join(self._container.get_logs()).decode(errors="replace")[-TAIL_CHARACTERS:]

    def discard(self) -> None:
        """Remove the container and its data, also one that was created and did not start."""
        with contextlib.suppress(DockerException):
            self._container.stop()

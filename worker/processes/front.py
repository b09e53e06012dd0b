"""The front: `/livez`, `/readyz` and `/metrics` of all workers at one address, asked of each when asked for."""

import asyncio
import json
import socket
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import aiohttp
from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from worker.health import at_sockets, serving_routes
from worker.processes.board import Board, Card, Stage
from worker.processes.merging import Merged

ANSWER_S: Final = 3.0
"""How long a worker may take to answer: more than it gives Kafka and Redis, less than those who ask the front."""

_VERDICTS: Final = (web.HTTPOk.status_code, web.HTTPServiceUnavailable.status_code)

_ABSENT: Final = {Stage.DOWN: "does not run; it is started again", Stage.STARTING: "is starting"}


async def serve(
    listeners: Sequence[socket.socket],
    workers: Sequence[tuple[str, int]],
    board: Board,
    stopping: AbstractAsyncContextManager[asyncio.Event],
) -> None:
    """Serve until told to stop. `workers` are the addresses of the workers' own health and metrics."""
    async with stopping as stop, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as session:
        front = _Front(session, workers, board)
        async with serving_routes(at_sockets(listeners), livez=front.livez, readyz=front.readyz, metrics=front.metrics):
            await stop.wait()


class _Front:
    def __init__(self, session: aiohttp.ClientSession, workers: Sequence[tuple[str, int]], board: Board) -> None:
        self._session, self._workers, self._board = session, workers, board

    async def livez(self, _request: web.Request) -> web.Response:
        """200 unless a worker that has started is stuck, or does not answer.

        One that ended is the supervisor's to start again: to end the others for it would make it worse.
        """
        cards = self._cards()
        answers = await self._ask_all("/livez", cards)
        alive = all(card.stage is not Stage.STARTED or _is_ok(answers[process]) for process, card in cards.items())
        return web.json_response({"alive": alive, "processes": _details(cards, answers)}, status=200 if alive else 503)

    async def readyz(self, _request: web.Request) -> web.Response:
        """200 if all workers are ready; else which are not, and why."""
        cards = self._cards()
        answers = await self._ask_all("/readyz", cards)
        ready = all(map(_is_ok, answers.values()))
        return web.json_response({"ready": ready, "processes": _details(cards, answers)}, status=200 if ready else 503)

    async def metrics(self, _request: web.Request) -> web.Response:
        """The metrics of those that answer; the others are left out, and `outbound_process_answered` says so."""
        cards = self._cards()
        answers = await self._ask_all("/metrics", cards)
        texts = {process: answer[1] if answer and _is_ok(answer) else None for process, answer in answers.items()}
        body = generate_latest(Merged(cards, texts))
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _cards(self) -> dict[int, Card]:
        return {process: self._board.read(process) for process in range(len(self._workers))}

    async def _ask_all(self, path: str, cards: Mapping[int, Card]) -> dict[int, tuple[int, str] | None]:
        answers = await asyncio.gather(*[self._ask(path, process, card) for process, card in cards.items()])
        return dict(zip(cards, answers, strict=True))

    async def _ask(self, path: str, process: int, card: Card) -> tuple[int, str] | None:
        """Status and body, or None if it does not answer. One that does not serve yet is not asked: it would hang."""
        if card.stage is not Stage.STARTED:
            return None
        host, port = self._workers[process]
        try:
            async with self._session.get(f"http://{host}:{port}{path}") as response:
                return response.status, await response.text()
        except (aiohttp.ClientError, TimeoutError):
            return None


def _is_ok(answer: tuple[int, str] | None) -> bool:
    return answer is not None and answer[0] == web.HTTPOk.status_code


def _details(cards: Mapping[int, Card], answers: Mapping[int, tuple[int, str] | None]) -> dict[str, Any]:
    return {str(process): _detail(cards[process], answer) for process, answer in answers.items()}


def _detail(card: Card, answer: tuple[int, str] | None) -> Any:  # noqa: ANN401 - the worker's own JSON, or why it has none
    if answer is None:
        return _ABSENT.get(card.stage, "does not answer")
    status, body = answer
    return json.loads(body) if status in _VERDICTS else f"answers with status {status}"

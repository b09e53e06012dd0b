"""The board: cards that all processes read and write."""

import os

import pytest

from worker.processes.board import Board, Card, Stage


def test_a_card_is_read_as_it_was_written_and_the_others_are_untouched() -> None:
    board = Board(3)
    card = Card(Stage.STARTED, restarts=2**40, last_words="Kafka antwortet nicht: „nein“")
    board.write(1, card)
    assert [board.read(worker) for worker in range(board.workers)] == [Card(Stage.DOWN, 0), card, Card(Stage.DOWN, 0)]
    board.write(1, Card(Stage.DOWN, 1))
    assert board.read(1) == Card(Stage.DOWN, 1)


@pytest.mark.parametrize("words", ["x" * 10_000, "ж" * 10_000, "\ud800"])
def test_words_of_any_kind_and_length_stay_on_their_card(words: str) -> None:
    board = Board(2)
    board.write(0, Card(Stage.STARTING, 5, words))
    assert board.read(0).last_words
    assert board.read(1) == Card(Stage.DOWN, 0)


def test_what_a_child_writes_its_parent_reads() -> None:
    board = Board(1)
    pid = os.fork()
    if pid == 0:
        board.write(0, Card(Stage.STARTED, 1, "from the child"))
        os._exit(0)
    os.waitpid(pid, 0)
    assert board.read(0) == Card(Stage.STARTED, 1, "from the child")

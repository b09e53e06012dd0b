"""When a process is started again, and when all are given up."""

from worker.processes.restarts import FIRST_WAIT_S, HEALTHY_S, LONGEST_WAIT_S, MANY, Restarts, is_hopeless


def life(restarts: Restarts, *, lasting_s: float, served: bool = True, from_s: float = 0.0) -> float:
    restarts.begin(from_s)
    return restarts.end(from_s + lasting_s, served=served)


def test_each_short_life_doubles_the_wait_up_to_a_bound() -> None:
    restarts = Restarts()
    waits_s = [life(restarts, lasting_s=1) for _ in range(9)]
    assert waits_s == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert (waits_s[0], waits_s[-1]) == (FIRST_WAIT_S, LONGEST_WAIT_S)


def test_a_long_life_makes_the_ones_before_forgotten() -> None:
    restarts = Restarts()
    for _ in range(5):
        life(restarts, lasting_s=1)
    assert life(restarts, lasting_s=HEALTHY_S) == FIRST_WAIT_S
    assert life(restarts, lasting_s=HEALTHY_S - 1) == FIRST_WAIT_S


def test_a_wait_may_have_a_least_length() -> None:
    restarts = Restarts()
    restarts.begin(0)
    assert restarts.end(1, served=True, at_least_s=1.5) == 1.5
    life(restarts, lasting_s=1)
    restarts.begin(0)
    assert restarts.end(1, served=True, at_least_s=1.5) == 2


def test_lives_are_counted() -> None:
    restarts = Restarts()
    assert restarts.lives == 0
    life(restarts, lasting_s=1)
    restarts.begin(2)
    assert restarts.lives == 2


def test_all_that_fail_at_their_start_are_given_up_at_once() -> None:
    workers = [Restarts(), Restarts()]
    for worker in workers:
        worker.begin(0)
    workers[0].end(1, served=False)
    assert not is_hopeless(workers), "the other may yet start"
    workers[1].end(1, served=False)
    assert is_hopeless(workers)


def test_while_one_runs_another_that_fails_at_its_start_is_tried_again() -> None:
    runs, fails = Restarts(), Restarts()
    runs.begin(0)
    for _ in range(20):
        life(fails, lasting_s=1, served=False)
        assert not is_hopeless([runs, fails])
    fails.begin(0)
    runs.end(HEALTHY_S, served=True)
    assert not is_hopeless([runs, fails])


def test_one_that_served_and_died_is_started_again_and_given_up_only_after_many_short_lives() -> None:
    worker = Restarts()
    for lives in range(1, MANY + 1):
        life(worker, lasting_s=1)
        assert is_hopeless([worker]) is (lives == MANY)
    worker.begin(0)
    assert not is_hopeless([worker]), "it is being tried"


def test_one_that_dies_now_and_then_is_never_given_up() -> None:
    worker = Restarts()
    for _ in range(3 * MANY):
        life(worker, lasting_s=HEALTHY_S)
        assert not is_hopeless([worker])

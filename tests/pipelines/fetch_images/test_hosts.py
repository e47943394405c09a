import math
from itertools import count

import pytest

from pipelines.fetch_images.hosts import MAX_FAILURES, Hosts, Turn


def taken(hosts: Hosts, now: float) -> Turn:
    turn = hosts.take(now)
    assert isinstance(turn, Turn)
    return turn


def test_every_url_has_one_turn_and_then_there_is_none() -> None:
    hosts = Hosts([0, 2, 2, 5, 6], rate=None, connections=9)
    turns = [taken(hosts, 0.0) for _ in range(6)]
    assert sorted(turn.url for turn in turns) == [0, 1, 2, 3, 4, 5]
    assert {turn.host for turn in turns if turn.url in (2, 3, 4)} == {2}
    assert hosts.take(0.0) == math.inf
    for turn in turns:
        hosts.done(turn, answered=True)
    assert hosts.take(0.0) is None


def test_no_urls_are_done_at_once() -> None:
    assert Hosts([0], rate=1.0, connections=1).take(0.0) is None


def test_the_largest_host_begins() -> None:
    hosts = Hosts([0, 1, 4, 6], rate=1.0, connections=1)
    assert [taken(hosts, 0.0).host for _ in range(3)] == [1, 2, 0]


def test_a_host_is_asked_at_its_rate_and_others_meanwhile() -> None:
    hosts = Hosts([0, 3, 4], rate=2.0, connections=3)
    first, other = taken(hosts, 10.0), taken(hosts, 10.0)
    assert (first.host, other.host) == (0, 1)
    hosts.done(first, answered=True)
    hosts.done(other, answered=True)
    assert hosts.take(10.0) == 10.5
    assert taken(hosts, 10.5).host == 0
    assert hosts.take(10.6) == 11.0


def test_time_that_a_host_was_idle_is_not_caught_up_on() -> None:
    hosts = Hosts([0, 3], rate=1.0, connections=3)
    taken(hosts, 0.0)
    taken(hosts, 100.0)
    assert hosts.take(100.0) == 101.0


def test_a_host_has_no_more_requests_at_a_time_than_allowed() -> None:
    hosts = Hosts([0, 5], rate=None, connections=2)
    first, _ = taken(hosts, 0.0), taken(hosts, 0.0)
    assert hosts.take(0.0) == math.inf
    hosts.done(first, answered=True)
    assert taken(hosts, 0.0).url == 2


def test_a_url_that_is_put_back_comes_first_once_its_host_has_rested() -> None:
    hosts = Hosts([0, 2], rate=None, connections=2)
    hosts.again(taken(hosts, 0.0), 0.0, 7.0)
    assert hosts.take(6.9) == 7.0
    assert taken(hosts, 7.0) == Turn(host=0, url=0, attempt=2, given_up=False)
    assert taken(hosts, 7.0).url == 1


def test_a_rest_holds_for_requests_that_were_due_earlier() -> None:
    hosts = Hosts([0, 3], rate=None, connections=3)
    first = taken(hosts, 0.0)
    hosts.again(first, 0.0, 5.0)
    assert hosts.take(1.0) == 5.0


def test_a_host_is_given_up_after_failures_in_a_row_and_its_other_urls_go_fast() -> None:
    hosts = Hosts([0, 9], rate=1.0, connections=1)
    for attempt in range(MAX_FAILURES):
        turn = taken(hosts, float(attempt))
        assert not turn.given_up
        hosts.done(turn, answered=False)
    rest = []
    while isinstance(turn := hosts.take(float(MAX_FAILURES)), Turn):
        rest.append(turn.given_up)
        hosts.done(turn, answered=True)
    assert rest == [True] * (9 - MAX_FAILURES)
    assert turn is None


def test_one_response_in_between_keeps_a_host() -> None:
    hosts = Hosts([0, 40], rate=None, connections=1)
    for number in count():
        turn = hosts.take(0.0)
        if turn is None:
            break
        assert isinstance(turn, Turn)
        assert not turn.given_up
        hosts.done(turn, answered=number % MAX_FAILURES == MAX_FAILURES - 1)
    assert number == 40


@pytest.mark.parametrize("connections", [1, 3])
def test_hosts_that_are_done_take_no_memory(connections: int) -> None:
    hosts = Hosts(range(0, 2_001, 2), rate=1.0, connections=connections)
    now = 0.0
    for _ in range(2_000):
        now += 1.0
        turn = taken(hosts, now)
        hosts.done(turn, answered=True)
        assert len(hosts._hosts) <= 2

"""A clock that was ahead and is set right: no window lasts for as long as it was ahead (A3)."""

from tests.throttling.desk import HOUR, IP, MINUTE, NOW, SECOND, Desk, refusal


def _set_back(desk: Desk) -> object:
    """Use a window up, go back an hour, use one up again; returns until when that one lasts."""
    desk.now = NOW
    for number in range(20):
        desk.password(f"account{number}", ip=IP)
    refusal(lambda: desk.password("another", ip=IP))
    desk.now = NOW - SECOND  # another machine, whose clock is a little late, opens nothing
    refusal(lambda: desk.password("another", ip=IP))
    desk.now = NOW - HOUR
    for number in range(20):
        desk.password(f"other{number}", ip=IP)
    return refusal(lambda: desk.password("another", ip=IP)).params["until"]


def test_a_network_s_window_begins_anew(desk: Desk) -> None:
    assert _set_back(desk) == NOW - HOUR + MINUTE


def test_a_network_s_window_in_redis_begins_anew(in_redis: Desk) -> None:
    assert _set_back(in_redis) == NOW - HOUR + MINUTE


def test_a_second_factor_s_window_begins_anew(desk: Desk) -> None:
    for number in range(10):
        desk.code(f"flow{number // 5}")
    refusal(lambda: desk.code("third"))
    desk.now = NOW - 2 * HOUR
    assert desk.code("fourth").failures == 11

import time

from imcaxy.clock import Clock


def test_now_never_goes_back() -> None:
    clock = Clock()
    readings = [clock.now() for _ in range(1000)]
    assert readings == sorted(readings)


def test_wall_is_seconds_since_1970() -> None:
    assert abs(Clock().wall() - time.time_ns() / 1e9) < 5


async def test_sleep_returns_after_the_time_given() -> None:
    clock = Clock()
    began = clock.now()
    pause = clock.sleep
    await pause(0.01)
    assert clock.now() - began >= 0.009

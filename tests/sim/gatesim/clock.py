"""The one clock that objects, controllers and load balancers live by.

Live, it follows the machine's clock, faster by a factor when asked. Manual, it stands still until
advance() moves it, and every timer fires in order at its own time. Timers are plain callbacks.
"""
from __future__ import annotations

import asyncio
import heapq
import sys
import time
import traceback
from typing import Callable, Optional


class Timer:
    """A scheduled call; cancel() makes it a no-op."""

    __slots__ = ("due", "call", "live")

    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self.due = due
        self.call = call
        self.live = True

    def cancel(self) -> None:
        self.live = False


class Clock:
    """Simulated Unix time and its timers."""

    def __init__(self, start: Optional[float] = None, speed: float = 1.0) -> None:
        self.speed = speed
        self.manual = True
        self._now = time.time() if start is None else start
        self._base_mono = 0.0
        self._heap: list[tuple[float, int, Timer]] = []
        self._seq = 0
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._wake: Optional[asyncio.TimerHandle] = None
        self._firing = False
        self.errors: list[str] = []

    def now(self) -> float:
        """Simulated Unix seconds."""
        if self.manual:
            return self._now
        return self._now + (time.monotonic() - self._base_mono) * self.speed

    def go_live(self, loop: asyncio.AbstractEventLoop) -> None:
        """Follows the machine's clock from here on, driven by the loop."""
        self._loop = loop
        self._base_mono = time.monotonic()
        self.manual = False
        self._arm()

    def set_speed(self, speed: float) -> None:
        """Changes the pace of a live clock without a jump."""
        if not self.manual:
            self._now = self.now()
            self._base_mono = time.monotonic()
        self.speed = speed
        self._arm()

    def hold(self) -> None:
        """Makes the clock manual at its present time."""
        self._now = self.now()
        self.manual = True
        if self._wake:
            self._wake.cancel()
            self._wake = None

    def call_later(self, delay: float, call: Callable[[], None]) -> Timer:
        """Schedules a call in that many simulated seconds."""
        timer = Timer(self.now() + max(delay, 0.0), call)
        self._seq += 1
        heapq.heappush(self._heap, (timer.due, self._seq, timer))
        if self._heap[0][2] is timer:
            self._arm()
        return timer

    def advance(self, seconds: float) -> None:
        """Moves a manual clock forward, firing each timer at its time."""
        end = self._now + seconds
        while self._heap and self._heap[0][0] <= end:
            due, _, timer = heapq.heappop(self._heap)
            self._now = max(self._now, due)
            self._fire(timer)
        self._now = end

    def jump(self, seconds: float) -> None:
        """Moves any clock forward; a live one goes on from there."""
        loop = None if self.manual else self._loop
        if loop is not None:
            self.hold()
        self.advance(seconds)
        if loop is not None:
            self.go_live(loop)

    def _fire(self, timer: Timer) -> None:
        if not timer.live:
            return
        try:
            timer.call()
        except Exception:  # one controller's failure must not stop the others; tests look at errors
            self.errors.append(traceback.format_exc())
            del self.errors[:-50]
            print(self.errors[-1], file=sys.stderr, flush=True)

    def _run(self) -> None:
        self._wake = None
        self._firing = True
        now = self.now()
        while self._heap and self._heap[0][0] <= now:
            self._fire(heapq.heappop(self._heap)[2])
        self._firing = False
        self._arm()

    def _arm(self) -> None:
        if self.manual or self._loop is None or self._firing:
            return
        if self._wake:
            self._wake.cancel()
            self._wake = None
        if self._heap:
            delay = max(0.0, (self._heap[0][0] - self.now()) / self.speed)
            self._wake = self._loop.call_later(delay, self._run)

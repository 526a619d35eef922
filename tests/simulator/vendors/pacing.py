"""How fast a client may ask: sliding windows, and patience after a 429 that names no time. For vendors whose sheet says so."""

import time
from collections import deque

MINUTE = 60.0
LONGEST_BACKOFF = 32.0
# Clients may round.
BACKOFF_TOLERANCE = 0.9
# A request to another endpoint may have been on its way when a 429 was sent.
IN_FLIGHT_GRACE = 0.25


class Window:
    """Requests of the last seconds."""

    def __init__(self):
        self._times = deque()

    def __len__(self):
        return len(self._times)

    def wait(self, now, limit, seconds):
        """Seconds until there is room for one more; 0: now."""
        while self._times and self._times[0] <= now - seconds:
            self._times.popleft()
        if limit <= 0:
            return seconds
        return max(0.0, self._times[-limit] + seconds - now) if len(self._times) >= limit else 0.0

    def take(self, now):
        self._times.append(now)

    def clear(self):
        self._times.clear()


class Backoff:
    """After n refusals in a row 1, 2, 4 … 32 s are due. Refusals of requests that were on their way together count once."""

    def __init__(self):
        self.times = 0
        self.last = 0.0         # when the newest refusal was sent, monotonic
        self._path = None       # of the request that was refused

    def complaint(self, request):
        """Why this request comes too early, or None."""
        if not self.times:
            return None
        passed, due = request.monotonic - self.last, min(LONGEST_BACKOFF, 2.0 ** (self.times - 1))
        if passed < 0 or (passed <= IN_FLIGHT_GRACE and request.path != self._path) or passed >= due * BACKOFF_TOLERANCE:
            return None
        return f"{passed:.2f} s after {self.times} refusals with 429 in a row, {due:.0f} s are due"

    def refused(self, request):
        if not self.times or request.monotonic > self.last + IN_FLIGHT_GRACE:
            self.times += 1
            self.last = time.monotonic()
            self._path = request.path

    def answered(self, request):
        if request.monotonic > self.last:
            self.clear()

    def clear(self):
        self.times = 0

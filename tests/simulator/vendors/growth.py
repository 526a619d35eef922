"""How a simulated vendor's records come: at a rate, and some of them later than their time says."""

import heapq
from itertools import count


class Rate:
    """So many a second, from the moment on at which that was said."""

    def __init__(self):
        self.value = 0.0
        self._since = 0.0
        self._made = 0

    def set(self, value, now):
        """To be called when all that was due has been taken."""
        if value != self.value:
            self.value, self._since, self._made = value, now, 0

    def due(self, now):
        """Moments (epoch seconds) of those that are due and were not taken yet."""
        due = int((now - self._since) * self.value) if self.value > 0 else 0
        moments = [self._since + (number + 1) / self.value for number in range(self._made, due)]
        self._made = max(self._made, due)
        return moments


class Waiting:
    """What exists already and cannot be seen yet."""

    def __init__(self):
        self._heap = []
        self._serial = count()

    def __len__(self):
        return len(self._heap)

    def put(self, visible, thing):
        heapq.heappush(self._heap, (visible, next(self._serial), thing))

    def due(self, now):
        """What can be seen now, in the order in which it became so."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            found.append(heapq.heappop(self._heap)[2])
        return found

    def saved(self):
        return [(visible, thing) for visible, _, thing in sorted(self._heap)]

    def restore(self, saved):
        self._heap = []
        for visible, thing in saved:
            self.put(visible, thing)

"""How long a client has to stay away after refusals that name no time, where the vendor's sheet says how the pauses grow."""

import time

# Clients may round.
TOLERANCE = 0.9
# Another request may have been on its way when a refusal was sent.
IN_FLIGHT_GRACE = 0.25


def was_on_its_way(passed, same_target, twin_grace):
    """`twin_grace`: for so long the very same request too, where several data types ask it."""
    return passed <= (twin_grace if same_target else IN_FLIGHT_GRACE)


class InFlight:
    """Of a vendor: a request that was on its way when a wait was named does not break it. Stands before Vendor among the bases."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._named = {}        # pool: target of the request that was refused, and when

    def name_wait(self, request, until):
        super().name_wait(request, until)
        self._named[self.pool(request)] = (request.target, time.monotonic())

    def check_wait(self, request):
        target, named = self._named.get(self.pool(request), (None, 0.0))
        if not was_on_its_way(request.monotonic - named, target == request.target, getattr(self.options, "twin_grace", -1.0)):
            super().check_wait(request)


class Patience:
    """After n refusals in a row the first pause, doubled n - 1 times, is due, `longest` at most. `share`: so much of it at least,
    where clients are told to vary their pauses. Refusals of requests that were on their way together count once."""

    def __init__(self, longest, share=1.0):
        self.longest = longest
        self.share = share
        self.times = 0
        self.last = 0.0         # when the newest refusal was sent, monotonic
        self._target = None     # of the request that was refused

    def complaint(self, request, first, twin_grace=-1.0):
        """Why this request comes too early, or None. `first`: length of the first pause; 0: none is due."""
        if not self.times or first <= 0:
            return None
        passed = request.monotonic - self.last
        due = min(self.longest, first * 2.0 ** (self.times - 1)) * self.share
        if passed < 0 or was_on_its_way(passed, request.target == self._target, twin_grace) or passed >= due * TOLERANCE:
            return None
        return f"{passed:.2f} s after {self.times} refusals in a row, {due:g} s are due"

    def refused(self, request):
        if not self.times or request.monotonic > self.last + IN_FLIGHT_GRACE:
            self.times += 1
            self.last = time.monotonic()
            self._target = request.target

    def answered(self, request):
        if request.monotonic > self.last:
            self.clear()

    def clear(self):
        self.times = 0

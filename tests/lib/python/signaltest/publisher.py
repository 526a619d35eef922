"""Another publisher on the agent's own subject: a thread that sends throughout a scenario, so that sequences of the
stream are never the agent's alone. Its message ids begin with `other-`, which the ledger leaves out.
"""

import os
import threading

from .jetstream import JetStream
from .nats import NatsError

PREFIX = "other-"


class OtherPublisher(threading.Thread):
    """Publishes `per_s` small messages a second on `subject` until `stop`. A send without an answer is sent again
    with its id, over outages too."""

    def __init__(self, connect, subject, per_s=100):
        super().__init__(name="other-publisher", daemon=True)
        self.connect = connect
        self.subject = subject
        self.interval_s = 1.0 / per_s
        self.sent = 0
        self._stopping = threading.Event()
        self.start()

    def run(self):
        while not self._stopping.is_set():
            try:
                with self.connect() as connection:
                    self._publish(JetStream(connection, timeout=2.0))
            except (NatsError, OSError):
                self._stopping.wait(0.02)

    def _publish(self, js):
        while not self._stopping.wait(self.interval_s):
            headers = {"Nats-Msg-Id": f"{PREFIX}{self.sent}", "ce-id": str(self.sent), "ce-type": "other.noise"}
            js.publish(self.subject, os.urandom(24).hex(), headers)
            self.sent += 1

    def stop(self):
        self._stopping.set()
        self.join(timeout=30)

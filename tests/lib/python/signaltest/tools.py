"""Waiting for observed events, free ports, and the workspace that every process of a test belongs to.

A Workspace ends all its processes and removes its directory when it is left, when the interpreter exits, and
even when this process is killed with SIGKILL: a small watcher process then does it. When the test failed, or was
told to keep it, the directory with all logs stays and its name is printed.
"""

import atexit
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from . import secrets

POLL_S = 0.01


class Expired(AssertionError):
    """Something that was waited for did not happen in time."""


def wait_until(observe, deadline_s, what):
    """Calls observe() every 10 ms until it returns something true, and returns that. Raises Expired naming `what`.

    `what` may be a callable, so that the message can say what was seen last."""
    tick = threading.Event()
    end = time.monotonic() + deadline_s
    while True:
        seen = observe()
        if seen:
            return seen
        if time.monotonic() >= end:
            raise Expired(f"not within {deadline_s:g} s: {what() if callable(what) else what}")
        tick.wait(POLL_S)


def hold(seconds):
    """Lets a span pass that is itself part of a scenario: an outage's length, a freeze. Never to wait for an effect."""
    threading.Event().wait(seconds)


def free_port(rng=random.SystemRandom()):
    """A loopback port that was free just now, below the range that the kernel gives to outgoing connections, so that
    it stays ours while a server is down."""
    while True:
        port = rng.randrange(15000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


# The watcher reads "+<process group>", "-<process group>" and "d<directory>" lines. End of input means that the test
# process is gone: whatever is still listed is killed and removed.
_WATCHER = """
import os, shutil, signal, sys
groups, folders = set(), set()
for line in sys.stdin:
    kind, value = line[0], line[1:].rstrip("\\n")
    if kind == "+": groups.add(int(value))
    elif kind == "-": groups.discard(int(value))
    elif kind == "d": folders.add(value)
    elif kind == "k": folders.discard(value)
for group in groups:
    try: os.killpg(group, signal.SIGKILL)
    except ProcessLookupError: pass
for folder in folders: shutil.rmtree(folder, ignore_errors=True)
"""


class _Watcher:
    """One per test process, started with the first workspace."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-I", "-S", "-c", _WATCHER], stdin=subprocess.PIPE, text=True,
                                        start_new_session=True, stdout=subprocess.DEVNULL)
        self.lock = threading.Lock()

    def tell(self, line):
        with self.lock:
            try:
                self.process.stdin.write(line + "\n")
                self.process.stdin.flush()
            except (BrokenPipeError, ValueError):
                pass


_watcher = None
_open_workspaces = []


class Workspace:
    """A temporary directory and the processes that live in it; use it as a context manager."""

    def __init__(self, name="test", keep=False, quiet=False):
        global _watcher
        if _watcher is None:
            _watcher = _Watcher()
        self.name = name
        self.keep = keep
        self.quiet = quiet
        self.failed = False
        self.path = tempfile.mkdtemp(prefix=f"signaltest-{name}-")
        os.chmod(self.path, 0o755)  # servers that drop their rights must get in
        self._processes = []
        self._closers = []
        self._outputs = []
        self._closed = False
        _watcher.tell(f"d{self.path}")
        _open_workspaces.append(self)

    def file(self, *parts):
        """A path below the workspace; its folders are made."""
        path = os.path.join(self.path, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def adopt(self, process):
        """Takes a subprocess.Popen that was started in a session of its own."""
        self._processes.append(process)
        _watcher.tell(f"+{process.pid}")
        return process

    def release(self, process):
        """Forgets a process that has ended; what its process group may still hold is killed."""
        _kill_group(process.pid)
        _watcher.tell(f"-{process.pid}")
        if process in self._processes:
            self._processes.remove(process)

    def at_close(self, function):
        """Calls `function` before the processes are ended: for threads that should stop first."""
        self._closers.append(function)

    def output(self, path):
        """No secret may stand in this file, or in those below this folder, when the workspace is closed."""
        self._outputs.append(path)
        return path

    def note(self, text):
        """An output that lies in no file."""
        path = self.file("noted")
        if path not in self._outputs:
            self.output(path)
        with open(path, "ab") as file:
            file.write((text.encode(errors="replace") if isinstance(text, str) else text) + b"\n")

    def close(self, failed=False):
        """Ends what runs and removes what lies there. AssertionError: a secret was found in an output."""
        if self._closed:
            return
        self._closed = True
        self.failed = self.failed or failed
        for function in reversed(self._closers):
            try:
                function()
            except Exception as error:  # the rest must be closed whatever one of them says
                print(f"signaltest: {self.name}: closing: {error}", file=sys.stderr)
        for process in list(self._processes):
            _kill_group(process.pid)
            process.wait()
            self.release(process)
        found = secrets.search(self._outputs)
        self.failed = self.failed or bool(found)
        if self.failed or self.keep:
            _watcher.tell(f"k{self.path}")
            if not self.quiet:
                print(f"signaltest: {self.name}: logs kept in {self.path}", file=sys.stderr, flush=True)
        else:
            shutil.rmtree(self.path, ignore_errors=True)
        _open_workspaces.remove(self)
        if found:
            raise AssertionError(f"{self.name}: secrets in outputs:\n" + "\n".join(found[:20]))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close(failed=kind is not None and not issubclass(kind, (KeyboardInterrupt, GeneratorExit)))


def _kill_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _close_all():
    for workspace in list(_open_workspaces):
        try:
            workspace.close(failed=True)
        except AssertionError as error:
            print(f"signaltest: {error}", file=sys.stderr)


def exit_on_signals():
    """SIGTERM and SIGHUP end this process like an exception would, so that everything is cleaned up."""
    def leave(number, _frame):
        raise SystemExit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


atexit.register(_close_all)

#!/usr/bin/env python3
"""`signal-client demo` as a stranger runs it: from the build tree, installed, interrupted, spoilt, and without what it needs.

    tests/integration/test_demo.py [-v]      SIGNAL_CLIENT_BINARY names the agent; else the newest in the build trees"""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib", "python"))

from signaltest.jetstream import JetStream  # noqa: E402
from signaltest.nats import Connection, NatsError  # noqa: E402
from signaltest.procs import find_agent  # noqa: E402
from signaltest.tools import wait_until  # noqa: E402

INTEGRATIONS = ("okta-demo", "kev-demo", "falcon-demo")
END_S = 120         # for a demo of 12 s on a machine that has other things to do
NUMBERS = ("requests", "offered", "published", "missing", "twice", "altered")


class Run:
    """One demo, its output in a file, with a temporary directory of its own that must be empty in the end."""

    def __init__(self, case, binary, *arguments, **environment):
        self.folder = tempfile.mkdtemp(prefix="test-demo-")
        case.addCleanup(self.clean)
        self.tmp = os.path.join(self.folder, "tmp")
        os.mkdir(self.tmp)
        self.out_path, self.err_path = (os.path.join(self.folder, name) for name in ("out", "err"))
        env = {k: v for k, v in os.environ.items() if not k.startswith(("SIGNAL_CLIENT_", "NATS_", "PYTHON"))}
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.popen = subprocess.Popen([binary, "demo", *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd="/",
                                          env={**env, "TMPDIR": self.tmp, **environment}, start_new_session=True)

    def clean(self):
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def out(self):
        with open(self.out_path, encoding="utf-8") as file:
            return file.read()

    @property
    def err(self):
        with open(self.err_path, encoding="utf-8") as file:
            return file.read()

    def wait_for(self, text):
        wait_until(lambda: text in self.out or self.popen.poll() is not None, END_S, lambda: f"{text!r} in\n{self.out}\n{self.err}")

    def end(self):
        return self.popen.wait(END_S)

    def family(self):
        """Process ids of the demo's children and theirs, as they are now."""
        parents = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue
        found, fresh = set(), {self.popen.pid}
        while fresh:
            fresh = {pid for pid, parent in parents.items() if parent in fresh} - found
            found |= fresh
        return found

    def table(self):
        """{integration or "total": {column: number}} of the summary."""
        rows = re.findall(r"^  ([\w-]+) +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+)$", self.out, re.MULTILINE)
        return {row[0]: dict(zip(NUMBERS, (int(n.replace(",", "")) for n in row[1:]))) for row in rows}


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return [part.decode() for part in file.read().split(b"\0") if part]
    except OSError:
        return []


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


class DemoCase(unittest.TestCase):
    binary = os.path.abspath(os.environ.get("SIGNAL_CLIENT_BINARY") or find_agent() or "")

    def setUp(self):
        self.assertTrue(os.path.isfile(self.binary), "no agent is built")

    def demo(self, *arguments, binary=None, **environment):
        return Run(self, binary or self.binary, *arguments, **environment)

    def check_gone(self, run, family):
        """Nothing that it started runs, nothing of it lies in the temporary directory."""
        self.assertGreaterEqual(len(family), 4, "agent, nats-server, simulator and watcher were not all seen")
        wait_until(lambda: not any(map(alive, family)), 10, lambda: f"gone: {[command_line(p) for p in family if alive(p)]}")
        named = [line for line in map(command_line, filter(str.isdigit, os.listdir("/proc"))) if any(run.tmp in part for part in line)]
        self.assertEqual(named, [], "processes that were started later")
        wait_until(lambda: not os.listdir(run.tmp), 10, lambda: f"an empty TMPDIR: {os.listdir(run.tmp)}")

    def check_exact(self, run):
        table = run.table()
        self.assertEqual(set(table), {*INTEGRATIONS, "total"}, run.out)
        for name, row in table.items():
            self.assertGreater(row["offered"], 0, name)
            self.assertGreater(row["requests"], 0, name)
            self.assertEqual(row["published"], row["offered"], name)
            self.assertEqual((row["missing"], row["twice"], row["altered"]), (0, 0, 0), name)
        self.assertIn("Nothing is missing, nothing is there twice; no vendor's rule was broken.", run.out)
        self.assertEqual(run.err, "")

    def check_story(self, run):
        """All acts, each seen by what it says of itself."""
        out = re.sub(r"\n {20,}", " ", run.out)  # wrapped lines in one
        self.assertNotIn("Not seen in this run", out)
        self.assertNotIn("Traceback", out)
        for name in INTEGRATIONS:
            self.assertRegex(out, rf"{name} +put into NATS KV")
            self.assertRegex(out, rf"{name} +fetched ([\d,]+ new of )?[\d,]+ \w+, \d+ pages?; all acknowledged")
        self.assertRegex(out, r"okta-demo +vendor says 429: waits \d+\.\d s, until \d\d:\d\d:\d\dZ as its header asked \(X-Rate-Limit-Reset\)")
        self.assertRegex(out, r"okta-demo +asked again \d+\.\d s later, not before the time that the vendor named")
        self.assertRegex(out, r"okta-demo +vendor says 401")
        used = re.search(r"okta-demo +new token saved to NATS KV \(revision \d+\), used ([\d.]+) ms later without a restart", out)
        self.assertTrue(used, out)
        self.assertLess(float(used[1]), 1000)
        self.assertRegex(out, r"broker +nats-server hung, then killed \(SIGKILL\) in the middle of a page: \d+ of 300 records")
        self.assertRegex(out, r"broker +nats-server is back after \d+\.\d s")
        self.assertRegex(out, r"broker +all 300 records are in the stream, 0 twice")
        for line in run.out.splitlines():
            if re.match(r" +\d+\.\d s  ", line):
                self.assertLessEqual(len(line), 100)


class Stories(DemoCase):
    def test_build_tree(self):
        run = self.demo("--for", "12s")
        run.wait_for("fetched")
        family = run.family()
        self.assertEqual(run.end(), 0, run.out + run.err)
        self.check_exact(run)
        self.check_story(run)
        self.check_gone(run, family)

    def test_installed(self):
        """From a prefix made by `cmake --install`, with everything read-only; no process reads a file of ours elsewhere."""
        build = os.path.dirname(self.binary)
        if not os.path.exists(os.path.join(build, "CMakeCache.txt")):
            self.skipTest(f"{build} is no build tree")
        prefix = tempfile.mkdtemp(prefix="test-demo-prefix-")
        self.addCleanup(remove_read_only, prefix)
        subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL, timeout=120)
        files = set(every_file(prefix))
        shared = [name for name in files if name.startswith("share/signal-client/")]
        self.assertIn("share/signal-client/simulator/demo/demo.py", shared)
        self.assertEqual([name for name in shared if not name.endswith(".py") or os.path.basename(name).startswith("test_")], [])
        make_read_only(prefix)
        run = self.demo("--for", "12s", binary=os.path.join(prefix, "bin", "signal-client"))
        run.wait_for("fetched")
        family = run.family()
        lines = [command_line(pid) for pid in [run.popen.pid, *family]]
        ours = [part for line in lines for part in line if part.endswith((".py", "/signal-client"))]
        self.assertGreaterEqual(len(ours), 3, lines)  # demo.py, simulator.py, the agent
        self.assertEqual([part for part in ours if not part.startswith(prefix + "/")], [])
        self.assertEqual(run.end(), 0, run.out + run.err)
        self.check_exact(run)
        self.check_story(run)
        self.check_gone(run, family)
        self.assertEqual(set(every_file(prefix)), files, "the demo wrote into its installation")


class Endings(DemoCase):
    def test_sigterm(self):
        """The first signal ends it with the whole count."""
        run = self.demo()
        run.wait_for("fetched 250 events")
        family = run.family()
        run.popen.terminate()
        self.assertEqual(run.end(), 0, run.out + run.err)
        self.check_exact(run)
        self.assertIn("Not seen in this run: ", run.out)
        self.check_gone(run, family)

    def test_second_interrupt(self):
        """A second one ends it at once, uncounted."""
        run = self.demo()
        run.wait_for("the API token was revoked")
        family = run.family()
        run.popen.send_signal(signal.SIGINT)
        run.wait_for("comes to its end first")
        run.popen.send_signal(signal.SIGINT)
        self.assertEqual(run.end(), 1)
        self.assertNotIn("Traceback", run.err)
        self.check_gone(run, family)

    def test_sigkill(self):
        run = self.demo()
        run.wait_for("fetched 250 events")
        family = run.family()
        run.popen.kill()
        run.end()
        self.check_gone(run, family)

    def test_agent_dies(self):
        """What nobody has planned: one sentence, the logs kept, the rest ended."""
        run = self.demo()
        run.wait_for("fetched 250 events")
        family = run.family()
        agent = next(pid for pid in family if command_line(pid) == [self.binary, "run"])
        os.kill(agent, signal.SIGKILL)
        self.assertEqual(run.end(), 1)
        self.assertRegex(run.err, rf"^signal-client: demo: the agent ended with status -9: .* \(logs are kept in {run.tmp}/\S+\)\n$")
        wait_until(lambda: not any(map(alive, family)), 10, "all processes gone")
        self.assertEqual(len(os.listdir(run.tmp)), 1)

    def test_reader_gone(self):
        """`demo | head -n 1`"""
        folder = tempfile.mkdtemp(prefix="test-demo-")
        self.addCleanup(shutil.rmtree, folder, True)
        piped = subprocess.Popen([self.binary, "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                 env={**os.environ, "TMPDIR": folder}, start_new_session=True)
        self.assertTrue(piped.stdout.readline())
        piped.stdout.close()
        error = piped.stderr.read()
        piped.stderr.close()
        self.assertEqual((piped.wait(END_S), error), (0, b""))
        wait_until(lambda: not os.listdir(folder), 10, "an empty TMPDIR")

    def test_keep(self):
        """The store that is left holds what the summary says, and a server starts on it as the summary says."""
        run = self.demo("--for", "1s", "--keep")
        self.assertEqual(run.end(), 0, run.out + run.err)
        self.check_exact(run)
        command = re.search(r"^  (\S*nats-server) -c (\S+) &$", run.out, re.MULTILINE)
        url = re.findall(r"NATS_URL=(\S+)", run.out)[-1]
        mode = stat.S_IMODE(os.stat(os.path.join(run.tmp, os.listdir(run.tmp)[0])).st_mode)
        self.assertEqual(mode & 0o077, 0, "others may look into the directory")
        with open(os.devnull, "wb") as null:
            server = subprocess.Popen([command[1], "-c", command[2]], stdout=null, stderr=null)

        def stored():
            try:
                with Connection(url) as connection:
                    return JetStream(connection).stream_state("DATA")["messages"]
            except (OSError, NatsError):
                return None
        try:
            self.assertEqual(wait_until(stored, 20, "the stream"), run.table()["total"]["published"])
            look = re.findall(r"^  (\S+) tail --last 3$", run.out, re.MULTILINE)[-1]
            shown = subprocess.run([look, "tail", "--last", "3", "--for", "0"], env={**os.environ, "NATS_URL": url}, cwd="/",
                                   capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual((shown.returncode, shown.stderr), (0, ""))
            self.assertEqual(len(re.findall("|".join(INTEGRATIONS), shown.stdout)), 3, shown.stdout)
        finally:
            server.terminate()
            server.wait(20)


class Count(DemoCase):
    """The count can find what is wrong: one record is made to vanish, to come twice, to change."""

    def check_found(self, how, column):
        run = self.demo("--for", "1s", SIGNAL_CLIENT_DEMO_SPOIL=how)
        self.assertEqual(run.end(), 1, run.out + run.err)
        found = {name: run.table()["total"][name] for name in ("missing", "twice", "altered")}
        self.assertEqual(found, {"missing": 0, "twice": 0, "altered": 0, column: 1}, run.out)
        self.assertIn("Not as promised: 1 record ", run.out)
        self.assertNotIn("Nothing is missing", run.out)
        self.assertIn(f"kept in {run.tmp}", run.out)

    def test_missing(self):
        self.check_found("lose", "missing")

    def test_twice(self):
        self.check_found("double", "twice")

    def test_altered(self):
        self.check_found("alter", "altered")


class Refusals(DemoCase):
    """One sentence that says what to do."""

    def programs(self, **files):
        """A PATH with these programs alone."""
        folder = os.path.join(tempfile.mkdtemp(prefix="test-demo-path-"), "bin")
        self.addCleanup(shutil.rmtree, os.path.dirname(folder), True)
        os.mkdir(folder)
        for name, text in files.items():
            path = os.path.join(folder, name.replace("_", "-"))
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(path, 0o755)
        return folder

    def check_refused(self, status, *words, arguments=("--for", "1s"), **environment):
        run = self.demo(*arguments, **environment)
        self.assertEqual(run.end(), status, run.out + run.err)
        for word in words:
            self.assertIn(word, run.err)
        self.assertNotIn("Traceback", run.err + run.out)
        return run

    def test_no_nats_server(self):
        path = self.programs(python3="#!/bin/sh\nexit 1\n")
        run = self.check_refused(1, "apt-get install nats-server", PATH=path)
        self.assertEqual(run.err.count("\n"), 1)

    def test_no_python(self):
        self.check_refused(1, "apt-get install python3", PATH=self.programs())

    def test_nats_server_that_fails(self):
        path = self.programs(nats_server="#!/bin/sh\necho nats-server: no such luck\nexit 1\n")
        run = self.check_refused(1, "nats-server did not start", "no such luck", PATH=f"{path}:{os.environ['PATH']}")
        self.assertEqual(run.err.count("\n"), 1)

    def test_wrong_use(self):
        for arguments in (("--for", "12x"), ("--for", "0s"), ("--for", "-5s"), ("--for",), ("--fro", "5s"), ("now",)):
            with self.subTest(arguments):
                self.check_refused(2, "usage: signal-client demo", arguments=arguments)


def every_file(top):
    for folder, _, names in os.walk(top):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), top)


def make_read_only(top):
    for folder, _, names in os.walk(top):
        for name in names:
            os.chmod(os.path.join(folder, name), 0o555)
        os.chmod(folder, 0o555)


def remove_read_only(top):
    for folder, _, _ in os.walk(top):
        os.chmod(folder, 0o755)
    shutil.rmtree(top, ignore_errors=True)


if __name__ == "__main__":
    unittest.main()

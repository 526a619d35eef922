"""The processes of a test: nats-server, the agent, nginx. (The simulator is in simulator.py.)

Each belongs to a Workspace, which ends it. `kill` is SIGKILL, `terminate` SIGTERM, `freeze` and `thaw` SIGSTOP and
SIGCONT. Standard output and error go to `<name>.log` in the workspace, over all restarts.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess

from . import secrets
from .jetstream import JetStream
from .nats import Connection, NatsError
from .tools import Expired, free_port, wait_until

TESTS = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
ROOT = os.path.dirname(TESTS)
START_S = 20.0


def find_program(name, *more_folders):
    """Path of a Debian program that may live in sbin. Raises FileNotFoundError saying which package has it."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", *more_folders])
    found = shutil.which(name, path=path)
    if not found:
        raise FileNotFoundError(f"{name} not found: apt-get install {name}")
    return found


class Process:
    """One program that may be started again and again."""

    def __init__(self, workspace, name):
        self.workspace = workspace
        self.name = name
        self.log_path = workspace.file(f"{name}.log")
        self.starts = 0
        self._popen = None

    def spawn(self, argv, env=None, cwd=None):
        if self.alive:
            raise RuntimeError(f"{self.name} is running already")
        self.starts += 1
        with open(self.log_path, "ab") as log:
            log.write(f"--- start {self.starts}: {' '.join(argv)}\n".encode())
            log.flush()
            self._popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=cwd,
                                           start_new_session=True)
        self.workspace.adopt(self._popen)

    @property
    def alive(self):
        return self._popen is not None and self._popen.poll() is None

    @property
    def pid(self):
        return self._popen.pid if self._popen else None

    @property
    def exit_status(self):
        """Status of the last run: negative is a signal; None while it runs."""
        return self._popen.poll() if self._popen else None

    def signal(self, number):
        if self.alive:
            self._popen.send_signal(number)

    def freeze(self):
        """Returns when the process has really stopped."""
        self.signal(signal.SIGSTOP)
        wait_until(lambda: self._stat() == "T" or not self.alive, 5, f"{self.name} stopped")

    def thaw(self):
        self.signal(signal.SIGCONT)

    def _stat(self):
        with open(f"/proc/{self.pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0].decode()

    def kill(self):
        """SIGKILL, and gone when this returns."""
        self.signal(signal.SIGKILL)
        return self._reap(10)

    def terminate(self, deadline_s=10.0):
        """SIGTERM; returns the exit status. Raises Expired where it does not end in time."""
        self.signal(signal.SIGTERM)
        return self._reap(deadline_s)

    def wait_exit(self, deadline_s):
        return self._reap(deadline_s)

    def _reap(self, deadline_s):
        if self._popen is None:
            return None
        try:
            status = self._popen.wait(timeout=deadline_s)
        except subprocess.TimeoutExpired as error:
            raise Expired(f"{self.name} (process {self.pid}) did not end within {deadline_s:g} s") from error
        self.workspace.release(self._popen)
        return status

    def stop(self):
        """Ends it however it stands: continued, asked, then killed."""
        if not self.alive:
            return
        self.thaw()
        try:
            self.terminate(5)
        except Expired:
            self.kill()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def log_tail(self, lines=15):
        return "\n".join(self.log().splitlines()[-lines:])

    def memory_peak_bytes(self):
        """Peak resident size so far."""
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))

    def _not_started(self, why):
        raise Expired(f"{self.name} did not start: {why}\n{self.log_tail()}")


class NatsServer(Process):
    """A nats-server with JetStream on a port and a store that stay over restarts. searched: no secret may stand in its store (secrets.py)."""

    def __init__(self, workspace, name="nats", max_payload=None, user=None, password=None, store_dir=None, extra="", searched=True):
        super().__init__(workspace, name)
        self.port = free_port()
        self.monitor_port = free_port()
        self.user = user
        self.password = secrets.secret(password, "password of NATS") if password else password
        self.max_payload = max_payload
        self.store_dir = store_dir or workspace.file(name, "store")
        self.extra = extra
        self.config_path = workspace.file(name, "nats.conf")
        if searched:
            workspace.output(self.store_dir)

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    def start(self, wait=True):
        """Returns when it answers; with wait=False at once, for scenarios that race with its clients."""
        lines = [f"listen: 127.0.0.1:{self.port}", f"http: 127.0.0.1:{self.monitor_port}", f"server_name: {self.name}",
                 f"jetstream {{ store_dir: {json.dumps(self.store_dir)} }}"]
        if self.max_payload:
            lines.append(f"max_payload: {self.max_payload}")
        if self.user:
            lines.append(f"authorization {{ user: {json.dumps(self.user)}, password: {json.dumps(self.password)} }}")
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines + [self.extra, ""]))
        self.spawn([find_program("nats-server"), "-c", self.config_path])
        return self.wait_ready() if wait else self

    def wait_ready(self):
        wait_until(self._ready, START_S, lambda: f"nats-server ready\n{self.log_tail()}")
        return self

    def _ready(self):
        if not self.alive:
            self._not_started(f"exit status {self.exit_status}")
        try:
            with self.connect(connect_timeout=1.0) as connection:
                JetStream(connection, timeout=1.0).api("INFO")
            return True
        except (OSError, NatsError):
            return False

    def connect(self, name="signaltest", connect_timeout=5.0):
        return Connection(self.url, self.user, self.password, name=name, connect_timeout=connect_timeout)

    def connections(self):
        """Clients of the server as its monitoring knows them; [] while it is down."""
        try:
            return get_json(self.monitor_port, "/connz?limit=1024").get("connections") or []
        except (OSError, http.client.HTTPException, ValueError):
            return []

    def agent_connections(self):
        """Those that are not the harness's own."""
        return [c for c in self.connections() if c.get("name") != "signaltest"]


class Agent(Process):
    """`signal-client run` with a run directory of its own. A crash point or a trace is for the next start only."""

    CRASHED = 137

    def __init__(self, workspace, binary, server, name="agent", appliance_id="local", connectors=None, env=None,
                 settings=""):
        super().__init__(workspace, name)
        self.binary = os.path.abspath(binary)
        self.server = server
        self.appliance_id = appliance_id
        self.run_dir = workspace.output(workspace.file(name, "run", ""))
        workspace.output(self.log_path)
        self.trace_path = workspace.file(name, "trace")
        self.config_path = workspace.file(name, "signal-client.conf")
        self.env = dict(env or {})
        connectors = connectors or os.environ.get("SIGNAL_CLIENT_CONNECTORS") or find_connectors(self.binary)
        if connectors:
            self.env.setdefault("SIGNAL_CLIENT_CONNECTORS", connectors)
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(f"run = {{ dir = {json.dumps(self.run_dir.rstrip('/'))}; }};\n{settings}\n")

    def environment(self):
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR", "ASAN_OPTIONS",
                                                             "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")}
        kept |= {"NATS_URL": self.server.url, "NATS_CREATE": "true", "APPLIANCE_ID": self.appliance_id,
                 "LOG_LEVEL": "debug", "SIGNAL_CLIENT_CONFIG": self.config_path}
        if self.server.user:
            kept |= {"NATS_USER": self.server.user, "NATS_PASSWORD": self.server.password}
        return kept | self.env

    def start(self, crash_at=None, trace=False):
        """Starts it and returns at once: what it then does is observed in NATS. `crash_at` is `point` or `point:n`."""
        env = self.environment()
        if crash_at:
            env["SIGNAL_CLIENT_CRASH_AT"] = crash_at
        if trace:
            env["SIGNAL_CLIENT_TRACE"] = self.trace_path
        self.spawn([self.binary, "run"], env=env)
        return self

    def command(self, *arguments, deadline_s=20.0):
        """Runs another command of the binary with the same environment; returns subprocess.CompletedProcess."""
        done = subprocess.run([self.binary, *arguments], env=self.environment(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=deadline_s, check=False)
        self.workspace.note(f"--- {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done

    def trace(self):
        """Messages handed to NATS so far: [(ns of CLOCK_BOOTTIME, epoch, message id)]."""
        if not os.path.exists(self.trace_path):
            return []
        with open(self.trace_path, encoding="utf-8", errors="replace") as file:
            rows = [line.rstrip("\n").split(" ", 2) for line in file if line.endswith("\n")]
        return [(int(at), int(epoch), msg_id) for at, epoch, msg_id in rows]


def find_agent():
    """The binary in the build trees, the newest; SIGNAL_CLIENT_BINARY overrides. None where nothing is built."""
    named = os.environ.get("SIGNAL_CLIENT_BINARY")
    if named:
        return named
    found = []
    for top in [ROOT] + [os.path.join(ROOT, "build")]:
        if not os.path.isdir(top):
            continue
        for entry in os.scandir(top):
            if entry.is_dir() and (top != ROOT or entry.name.startswith("build")):
                found += [p for p in (os.path.join(entry.path, "agent", "signal-client"),
                                      os.path.join(entry.path, "signal-client"),
                                      os.path.join(entry.path, "bin", "signal-client")) if os.path.isfile(p)]
    return max(found, key=os.path.getmtime, default=None)


def find_connectors(binary):
    """The connectors of a build tree or an installation beside the binary, or None: the binary's own default."""
    top = os.path.dirname(binary)
    for folder in (os.path.join(top, "..", "connectors"), os.path.join(top, "connectors"),
                   os.path.join(top, "..", "lib", "signal-client", "connectors")):
        if os.path.isdir(folder) and any(name.endswith(".so") for name in os.listdir(folder)):
            return os.path.abspath(folder)
    return None


class Nginx(Process):
    """Serves the files of `folder` on a loopback port, as any user."""

    def __init__(self, workspace, folder, name="nginx", locations=""):
        super().__init__(workspace, name)
        self.folder = os.path.abspath(folder)
        self.port = free_port()
        self.prefix = workspace.file(name, "")
        self.locations = locations

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        temp = "".join(f"    {kind}_temp_path {kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;\n" if os.geteuid() == 0 else ""
        config = (f"{user}daemon off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr notice;\n"
                  f"events {{ worker_connections 256; }}\nhttp {{\n{temp}    access_log access.log;\n"
                  f"    default_type application/octet-stream;\n    types {{ application/json json; text/html html; }}\n"
                  f"    etag on;\n    gzip_static on;\n    keepalive_requests 1000000;\n"
                  f"    server {{\n        listen 127.0.0.1:{self.port};\n        root {self.folder};\n"
                  f"        {self.locations}\n    }}\n}}\n")
        path = self.workspace.file(self.name, "nginx.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        self.spawn([find_program("nginx"), "-p", self.prefix, "-c", path])
        wait_until(self._ready, START_S, lambda: f"nginx ready\n{self.log_tail()}")
        return self

    def _ready(self):
        if not self.alive:
            self._not_started(f"exit status {self.exit_status}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            connection.request("HEAD", "/")
            connection.getresponse().read()
            connection.close()
            return True
        except (OSError, http.client.HTTPException):
            return False

    def access_log(self):
        with open(os.path.join(self.prefix, "access.log"), encoding="utf-8") as file:
            return file.read().splitlines()


def get_json(port, path, timeout=30):
    return json.loads(http_request(port, path, timeout=timeout))


def http_request(port, path, method="GET", body=None, timeout=30):
    """Body of a good reply on loopback; RuntimeError with the text of any other."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json"} if data is not None else {})
        reply = connection.getresponse()
        text = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {text[:300].decode('utf-8', 'replace')}")
        return text
    finally:
        connection.close()

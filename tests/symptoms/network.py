"""What the tests of transport failures are made of: CAs and certificates, nginx and squid with what is wrong with them, servers of raw bytes, a
DNS server, and the box: network and mount namespaces of our own, in which names, addresses and routes are what a test says."""

import os
import socket
import struct
import subprocess
import sys
import threading

from symptom import SOON, may_unshare

from signaltest.procs import Process, find_program
from signaltest.tools import free_port, wait_until


def faketime_library():
    """Path of libfaketime, None where Debian's package `faketime` is not installed."""
    for folder in ("x86_64-linux-gnu", "aarch64-linux-gnu"):
        path = f"/usr/lib/{folder}/faketime/libfaketime.so.1"
        if os.path.exists(path):
            return path
    return None


def faked(offset):
    """Environment that lets a process see another time of day; read once, as nginx clears its own."""
    return {"LD_PRELOAD": faketime_library(), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_CACHE_DURATION": "1000000"}


# ---- certificates -------------------------------------------------------------------------------------------------------------------

class Authority:
    """A CA, made by openssl; what it issues lies beside it."""

    def __init__(self, workspace, name, issuer=None):
        self.workspace = workspace
        self.name = name
        self.issuer = issuer
        self.slug = name.lower().replace(" ", "-")
        self.key = workspace.file("ca", f"{self.slug}.key")
        self.pem = workspace.file("ca", f"{self.slug}.pem")
        self._make(self.key, self.pem, name, "basicConstraints=critical,CA:TRUE\n", issuer or self)

    def _make(self, key, pem, name, extensions, issuer, when=None, days=30):
        extfile = pem + ".ext"
        with open(extfile, "w", encoding="ascii") as file:
            file.write(extensions + "subjectKeyIdentifier=hash\n")
        env = os.environ | (faked(when) if when else {})
        csr = pem + ".csr"
        self._run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-subj", f"/CN={name}", "-out", csr], env)
        sign = ["-signkey", key] if issuer is self and key == self.key else ["-CA", issuer.pem, "-CAkey", issuer.key, "-CAcreateserial"]
        self._run(["openssl", "x509", "-req", "-in", csr, "-days", str(days), "-extfile", extfile, "-out", pem, *sign], env)

    @staticmethod
    def _run(argv, env):
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {done.stderr}")

    def issue(self, name, san="IP:127.0.0.1", when=None, days=30, chain=()):
        """Certificate and key of a server or a client: (pem with `chain` behind it, key). when: "-400d" = made then."""
        slug = name.lower().replace(" ", "-")
        key, pem = self.workspace.file("ca", f"{slug}.key"), self.workspace.file("ca", f"{slug}.pem")
        self._make(key, pem, name, f"subjectAltName={san}\n" if san else "", self, when, days)
        with open(pem, "a", encoding="ascii") as out:
            for authority in chain:
                with open(authority.pem, encoding="ascii") as file:
                    out.write(file.read())
        return pem, key


def self_signed(workspace, name, san="IP:127.0.0.1"):
    key, pem = workspace.file("ca", f"{name}.key"), workspace.file("ca", f"{name}.pem")
    Authority._run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", pem, "-days", "30",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName={san}"], os.environ)
    return pem, key


# ---- servers ------------------------------------------------------------------------------------------------------------------------

EMPTY_PAGE = r"location / { default_type application/json; add_header Link '<http://x/>; rel=\"self\"'; return 200 '[]'; }"


class Front(Process):
    """One nginx with a server block for each thing that can be wrong. `sites`: {name: lines of the block without listen}."""

    def __init__(self, workspace, sites, name="front", address="127.0.0.1", env=None):
        super().__init__(workspace, name)
        self.address = address
        self.ports = {site: free_port() for site in sites}
        self.env = dict(os.environ) | (env or {})
        prefix = workspace.file(name, "")
        temp = "".join(f"{kind}_temp_path {kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        blocks = "".join(f"server {{ listen {address}:{port}{' ssl' if 'ssl_certificate ' in sites[site] else ''}; {sites[site]} }}\n" for site, port in self.ports.items())
        user = "user root;" if os.geteuid() == 0 else ""
        self.conf = workspace.file(name, "nginx.conf")
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(f"{user} daemon off; master_process off; pid nginx.pid; error_log stderr notice;\nevents {{ worker_connections 256; }}\n"
                       f"http {{ {temp} access_log off; default_type application/json;\n{blocks} }}\n")
        self.prefix = prefix

    def start(self):
        self.spawn([find_program("nginx"), "-p", self.prefix, "-c", self.conf], env=self.env)
        wait_until(lambda: all(answers(self.address, port) for port in self.ports.values()) or self._gone(), SOON, lambda: f"nginx\n{self.log_tail()}")
        return self

    def _gone(self):
        if not self.alive:
            self._not_started(f"exit status {self.exit_status}")

    def url(self, site, scheme="https"):
        return f"{scheme}://{self.address}:{self.ports[site]}"


class Squid(Process):
    """A forward proxy with `rules`; `hosts`: names that it alone knows."""

    def __init__(self, workspace, rules, hosts="", name="squid"):
        super().__init__(workspace, name)
        self.port = free_port()
        folder = workspace.file(name, "")
        os.chmod(folder, 0o777)
        names = workspace.file(name, "hosts")
        with open(names, "w", encoding="ascii") as file:
            file.write(hosts)
        self.conf = workspace.file(name, "squid.conf")
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(f"http_port 127.0.0.1:{self.port}\npid_filename none\ncache_log /dev/stderr\naccess_log none\ncache deny all\nnetdb_filename none\n"
                       f"shutdown_lifetime 0 seconds\nhosts_file {names}\ncoredump_dir {folder}\npinger_enable off\nconnect_timeout 2 seconds\n"
                       f"forward_timeout 3 seconds\nvisible_hostname box\n{rules}\n")

    def start(self):
        self.spawn([find_program("squid"), "-N", "-f", self.conf])
        wait_until(lambda: answers("127.0.0.1", self.port) or self._gone(), SOON, lambda: f"squid\n{self.log_tail()}")
        return self

    def _gone(self):
        if not self.alive:
            self._not_started(f"exit status {self.exit_status}")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"


def answers(host, port):
    try:
        socket.create_connection((host, port), timeout=1).close()
        return True
    except OSError:
        return False


class Raw:
    """A server that does `script(connection)` with each connection and closes it."""

    def __init__(self, script, host="127.0.0.1", port=0):
        self.listener = socket.create_server((host, port))
        self.script = script
        self.count = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        try:
            with connection:
                connection.settimeout(60)
                self.script(connection)
        except OSError:
            pass

    @property
    def port(self):
        return self.listener.getsockname()[1]

    def url(self, scheme="http"):
        return f"{scheme}://{self.listener.getsockname()[0]}:{self.port}"

    def close(self):
        self.listener.close()


def read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    return data


def wait_for_close(connection):
    while connection.recv(65536):
        pass


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# ---- DNS ------------------------------------------------------------------------------------------------------------------------------

NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


class Nameserver:
    """Answers on one address, port 53. names: {name: IPv4 address, or an rcode}; what is not named: `other`. The domains above exist, unless `outside` is
    false. mute: says nothing. spoil: what is made of each answer before it is sent (several, where it gives a list)."""

    def __init__(self, names, address="127.0.0.1", other=NXDOMAIN, outside=True, mute=False, spoil=None):
        self.spoil = spoil or (lambda answer: [answer])
        self.names = names
        self.other = other
        self.outside = outside
        self.mute = mute
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        self.address = address
        self.socket.settimeout(0.05)
        self.open = True
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while self.open:
            try:
                query, who = self.socket.recvfrom(4096)
            except OSError:
                continue
            if self.mute:
                continue
            try:
                for answer in self.spoil(self._answer(query)):
                    self.socket.sendto(answer, who)
            except (OSError, IndexError, struct.error):
                pass

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("ascii"))
            at += query[at] + 1
        question = query[12:at + 5]
        kind = struct.unpack("!H", query[at + 1:at + 3])[0]
        name = ".".join(labels).lower()
        self.asked.append((name, kind))
        rcode, answer = NOERROR, b""
        if kind == 2 and len(labels) == 1:
            if self.outside:
                answer = b"\xc0\x0c" + struct.pack("!HHIH", 2, 1, 60, 4) + b"\x01a\xc0\x0c"
            else:
                rcode = SERVFAIL
        else:
            value = self.names.get(name, self.other)
            if isinstance(value, int):
                rcode = value
            elif value and kind == 1:
                answer = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(value)
        return query[:2] + struct.pack("!HHHHH", 0x8180 | rcode, 1, 1 if answer else 0, 0, 0) + question + answer

    def close(self):
        self.open = False
        self.thread.join()
        self.socket.close()


# ---- the box ----------------------------------------------------------------------------------------------------------------------------

IN_BOX = "SIGNALTEST_IN_THE_BOX"


def run_in_box(path):
    """Runs a test program once more, in network and mount namespaces of its own, with loopback up and a resolv.conf and hosts of its own."""
    if not may_unshare():
        print(f"{os.path.basename(path)}: left out: this machine does not let us have network namespaces (unshare -n -m)\nRan 0 tests in 0 s")
        return 0
    script = ("set -e; ip link set lo up; d=$(mktemp -d); trap 'rm -rf \"$d\"' EXIT; : >$d/resolv.conf; printf '127.0.0.1 localhost\\n' >$d/hosts; "
              "chmod 644 $d/*; mount --bind $d/resolv.conf /etc/resolv.conf; mount --bind $d/hosts /etc/hosts; \"$@\"")
    env = os.environ | {IN_BOX: "1"}
    return subprocess.run(["unshare", "-n", "-m", "bash", "-c", script, "box", sys.executable, path, *sys.argv[1:]], env=env, check=False).returncode


def set_resolv_conf(text):
    with open("/etc/resolv.conf", "w", encoding="ascii") as file:
        file.write(text)


def add_address(address):
    subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True, capture_output=True)

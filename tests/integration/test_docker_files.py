#!/usr/bin/env python3
"""docker/ without a container engine: its files held against the agent's settings, the build, and each other.

    tests/integration/test_docker_files.py [-v]      SIGNAL_CLIENT_BINARY names the agent; else the newest in the build trees
"""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib", "python"))

from signaltest.procs import find_agent, find_program  # noqa: E402

CLIENT, BROKER = "signal-client-svc", "broker-edge-svc"
# Which file to read is asked before there are settings, so no row has these two.
FILE_VARIABLES = {"SIGNAL_CLIENT_CONFIG", "WF_NODE_CONFIG_FILE"}
# For each variable a value that its row takes and that is not its default.
PROBES = {"NATS_URL": "nats://probe:1", "NATS_CREATE": "true", "NATS_USER": "probe", "NATS_PASSWORD": "probe-password",
          "NATS_CREDS": "/probe", "NATS_CA": "/probe", "NATS_DOMAIN": "probe", "APPLIANCE_ID": "probe", "LOG_LEVEL": "debug",
          "LOG_FORMAT": "text", "HTTPS_PROXY": "http://probe:1", "HTTP_PROXY": "http://probe:1", "NO_PROXY": "probe",
          "SIGNAL_CLIENT_CONNECTORS": "/probe", "SIGNAL_CLIENT_SEAL_KEY_FILE": "/probe", "SIGNAL_CLIENT_SEAL_OLD_KEY_FILE": "/probe"}


def read(*parts):
    with open(os.path.join(ROOT, *parts), encoding="utf-8") as file:
        return file.read()


# ---- YAML, as far as compose.yaml goes -----------------------------------------------------------------------------------

def yaml_scalar(text):
    """A value on one line; anything that this reader does not know is an error, not a guess."""
    text = text.strip()
    if text[:1] in "[{":
        if text[0] == "{" or text[-1] != "]":
            raise ValueError(f"not understood: {text}")
        return [yaml_scalar(item) for item in re.findall(r'"[^"]*"|[^\s,\[\]]+', text[1:-1])]
    if text[:1] == '"':
        return json.loads(text)
    if text[:1] in "'&*|>!%@`":
        raise ValueError(f"not understood: {text}")
    return text


def yaml_lines(text):
    for number, line in enumerate(text.splitlines(), 1):
        bare = re.sub(r'^((?:[^"#]|"[^"]*"|(?<=\S)#)*?)(?:^|\s+)#.*$', r"\1", line).rstrip()
        if "\t" in line:
            raise ValueError(f"line {number}: a tab")
        if bare.strip():
            yield number, len(bare) - len(bare.lstrip()), bare.strip()


def yaml_block(lines, at, indent):
    """The mapping or list that begins at lines[at]; (value, index behind it)."""
    result = [] if lines[at][2].startswith("- ") else {}
    while at < len(lines) and lines[at][1] == indent:
        number, _, text = lines[at]
        if isinstance(result, list):
            if not text.startswith("- "):
                raise ValueError(f"line {number}: a list goes on as a mapping")
            result.append(yaml_scalar(text[2:]))
            at += 1
            continue
        match = re.fullmatch(r"([A-Za-z0-9_-]+):(?: (.*))?", text)
        if not match or match[1] in result:
            raise ValueError(f"line {number}: not a mapping, or doubled: {text}")
        at += 1
        if match[2] is not None:
            result[match[1]] = yaml_scalar(match[2])
        elif at < len(lines) and lines[at][1] > indent:
            result[match[1]], at = yaml_block(lines, at, lines[at][1])
        else:
            result[match[1]] = None
    if at < len(lines) and lines[at][1] > indent:
        raise ValueError(f"line {lines[at][0]}: indented deeper than the line before")
    return result, at


def yaml(text):
    lines = list(yaml_lines(text))
    value, at = yaml_block(lines, 0, 0)
    if at != len(lines):
        raise ValueError(f"line {lines[at][0]}: indentation")
    return value


def expand(value, env=None):
    """${NAME:-default} as compose does it."""
    return re.sub(r"\$\{([A-Z_]+):-([^}]*)\}", lambda m: (env or {}).get(m[1]) or m[2], value)


# ---- Dockerfile ------------------------------------------------------------------------------------------------------------

def dockerfile():
    """Stages as lists of (instruction, argument); what stands before the first FROM is stage 0."""
    text = re.sub(r"(?m)^\s*#.*\n", "", read("docker", "Dockerfile"))
    text = re.sub(r"\\\n", " ", text)
    stages = [[]]
    for line in text.splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            if word == "FROM":
                stages.append([])
            stages[-1].append((word, rest.strip()))
    return stages


def packages_of(stage):
    runs = " && ".join(rest for word, rest in stage if word == "RUN")
    found = re.search(r"apt-get install -y --no-install-recommends ([^&]*)&&", runs)
    return set(found[1].split())


def argument(stage, word):
    found = [rest for name, rest in stage if name == word]
    if len(found) != 1:
        raise AssertionError(f"{word} stands {len(found)} times")
    return found[0]


class Image(unittest.TestCase):
    def setUp(self):
        self.head, self.build, self.final = dockerfile()

    def test_both_stages_stand_on_debian_12_slim(self):
        self.assertEqual(self.head, [("ARG", "DEBIAN=debian:bookworm-slim")])
        self.assertEqual([argument(self.build, "FROM"), argument(self.final, "FROM")], ["${DEBIAN} AS build", "${DEBIAN}"])

    def test_runs_as_a_user_without_rights_and_stops_by_sigterm(self):
        user = argument(self.final, "USER")
        uid, _, gid = user.partition(":")
        self.assertTrue(uid.isdigit() and int(uid) > 999, user)
        made = " ".join(rest for word, rest in self.final if word == "RUN")
        self.assertIn(f"useradd --uid {uid} --gid {gid} ", made)
        self.assertIn(f"-o {uid} -g {gid} -m 0700 /data", made)
        self.assertEqual(argument(self.final, "STOPSIGNAL"), "SIGTERM")

    def test_starts_the_agent_and_asks_for_its_health(self):
        self.assertEqual(json.loads(argument(self.final, "ENTRYPOINT")), ["signal-client"])
        self.assertEqual(json.loads(argument(self.final, "CMD")), ["run"])
        self.assertEqual(json.loads(argument(self.final, "VOLUME")), ["/configs", "/certs", "/data"])
        health = argument(self.final, "HEALTHCHECK")
        self.assertEqual(json.loads(health[health.index("CMD") + 4:]), ["signal-client", "health"])

    def test_carries_the_version_of_the_project(self):
        version = re.search(r"project\(signal-client VERSION ([0-9.]+)", read("CMakeLists.txt"))[1]
        self.assertIn(("ARG", f"VERSION={version}"), self.final)
        self.assertIn(f"signal-client:${{SIGNAL_CLIENT_TAG:-{version}}}", read("docker", "compose.yaml"))
        self.assertIn(f"signal-client:{version} ", read("docs", "docker.md"))

    def test_builds_with_the_packages_that_the_scripts_install(self):
        words = re.search(r'build_packages="([^"]*)"', read("docker", "packages.sh").replace("\\\n", ""))[1]
        self.assertEqual(packages_of(self.build), set(words.split()))

    def test_has_the_libraries_that_the_agent_loads_and_no_others(self):
        if not shutil.which("objdump") or not shutil.which("dpkg") or 'VERSION_ID="12"' not in read_if("/etc/os-release"):
            self.skipTest("needs objdump on Debian 12")
        binary = find_agent()
        modules = os.path.join(os.path.dirname(binary), "connectors")
        files = [binary] + [os.path.join(modules, name) for name in sorted(os.listdir(modules)) if name.endswith(".so")]
        self.assertGreater(len(files), 1, f"no connectors beside {binary}")
        out = subprocess.run(["objdump", "-p", *files], capture_output=True, text=True, check=True).stdout
        sonames = set(re.findall(r"NEEDED +(\S+)", out))
        if any("asan" in name or "tsan" in name for name in sonames):
            self.skipTest("the agent is a sanitizer build")
        loaded = subprocess.run(["ldd", *files], capture_output=True, text=True, check=True).stdout
        owners = set()
        for soname in sonames:
            # By folder and name: dpkg knows /usr/lib where the loader says /lib.
            path = re.search(rf"(?:{re.escape(soname)} => |\s)(/\S*{re.escape(soname)}) ", loaded)[1]
            pattern = "*/" + "/".join(path.split("/")[-2:])
            found = subprocess.run(["dpkg", "-S", pattern], capture_output=True, text=True, check=True).stdout
            owners.add(found.split(":")[0])
        self.assertEqual(packages_of(self.final) - {"ca-certificates"}, owners - {"libc6"})


def read_if(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


class Context(unittest.TestCase):
    """.dockerignore: all that the build needs, nothing that is nobody's business."""

    @staticmethod
    def sent(path):
        verdict = True
        for line in read(".dockerignore").splitlines():
            pattern = line.lstrip("!")
            if not line or line.startswith("#"):
                continue
            tail = pattern[3:] if pattern.startswith("**/") else None
            parts = path.split("/")
            hit = (any(fnmatch.fnmatchcase(part, tail) for part in parts) if tail is not None
                   else any(fnmatch.fnmatchcase("/".join(parts[:n]), pattern) and pattern.count("/") == n - 1
                            for n in range(1, len(parts) + 1)))
            if hit:
                verdict = line.startswith("!")
        return verdict

    def test_keeps_out_what_is_not_source(self):
        for path in (".git/config", "build/dev/signal-client", "docker/.env", "docker/configs/node.json", "docker/certs/agent.creds",
                     "node.json", ".env", "tests/run.sh", "agent/cli/__pycache__/x.pyc"):
            self.assertFalse(self.sent(path), path)
        self.assertTrue(self.sent("agent/base/buf.c"))

    def test_is_enough_to_configure_and_install(self):
        if not shutil.which("cmake"):
            self.skipTest("cmake is not installed")
        with tempfile.TemporaryDirectory() as folder:
            context, build = os.path.join(folder, "src"), os.path.join(folder, "build")
            for top in ("CMakeLists.txt", "CMakePresets.json", "agent", "cmake", "connectors", "include", "tests"):
                for path in files_below(top):
                    if self.sent(path):
                        os.makedirs(os.path.dirname(os.path.join(context, path)), exist_ok=True)
                        shutil.copy2(os.path.join(ROOT, path), os.path.join(context, path))
            done = subprocess.run(["cmake", "-S", context, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DSIGNAL_TESTS=OFF",
                                   "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"],
                                  capture_output=True, text=True, timeout=300, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            commands = read_if(os.path.join(build, "compile_commands.json"))
            wanted = set(re.findall(rf"-I({re.escape(context)}/\S+)", commands))
            self.assertIn(os.path.join(context, "include"), wanted)
            for below, _, names in os.walk(build):
                if "cmake_install.cmake" in names:
                    text = read_if(os.path.join(below, "cmake_install.cmake"))
                    wanted |= set(re.findall(rf'"({re.escape(context)}/[^"]+)"', text))
            for path in wanted:
                self.assertTrue(os.path.exists(path), f"the build needs {os.path.relpath(path, context)}")


def files_below(top):
    whole = os.path.join(ROOT, top)
    if os.path.isfile(whole):
        yield top
    for folder, _, names in os.walk(whole):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), ROOT)


class Compose(unittest.TestCase):
    def setUp(self):
        self.file = yaml(read("docker", "compose.yaml"))
        self.client, self.broker = self.file["services"][CLIENT], self.file["services"][BROKER]

    def test_has_two_services_that_find_each_other(self):
        self.assertEqual(set(self.file["services"]), {CLIENT, BROKER})
        self.assertEqual(self.broker["networks"], {"default": {"aliases": ["broker-edge"]}})
        self.assertNotIn("networks", self.client)  # so it is on the same one
        url = urllib.parse.urlsplit(self.client["environment"]["NATS_URL"])
        self.assertEqual(url.hostname, BROKER)
        self.assertEqual(url.port, int(re.search(r'listen: "0\.0\.0\.0:(\d+)"', read("docker", "nats.conf"))[1]))
        self.assertEqual(self.client["depends_on"], {BROKER: {"condition": "service_healthy"}})
        self.assertNotIn("ports", self.broker)

    def test_gives_both_no_more_rights_than_they_need(self):
        for name, service in self.file["services"].items():
            with self.subTest(name):
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertEqual(service["security_opt"], ["no-new-privileges:true"])
                self.assertEqual(service["read_only"], "true")
                self.assertNotIn("privileged", service)
                self.assertNotIn("user", service)
                self.assertEqual(service["restart"], "unless-stopped")
                self.assertIn("mem_limit", service)
                self.assertEqual(set(service["logging"]["options"]), {"max-size", "max-file"})
                self.assertRegex(expand(service["image"]), r"^[a-z-]+:\d+\.\d+\.\d+(-alpine)?$")
                self.assertGreaterEqual(int(service["stop_grace_period"].rstrip("s")), 10)

    def test_mounts_what_the_image_declares(self):
        mounts = [expand(entry).split(":") for entry in self.client["volumes"]]
        declared = json.loads(argument(dockerfile()[2], "VOLUME"))
        self.assertEqual(sorted(mount[1] for mount in mounts), sorted(declared))
        for source, target, *mode in mounts:
            self.assertEqual(mode, [] if target == "/data" else ["ro"], target)
            self.assertTrue(source.startswith("./") or source in self.file["volumes"], source)
        self.assertNotIn("tmpfs", self.client)  # the instance id has to outlive a crash, in /data

    def test_checks_health_as_the_image_does(self):
        health = argument(dockerfile()[2], "HEALTHCHECK")
        options = dict(re.findall(r"--([a-z-]+)=(\S+)", health))
        self.assertEqual(self.client["healthcheck"], {"test": ["CMD", "signal-client", "health"]} |
                         {key.replace("-", "_"): value for key, value in options.items()})

    def test_the_brokers_store_is_on_its_volume_and_its_health_is_asked_where_it_answers(self):
        conf = read("docker", "nats.conf")
        store = re.search(r"store_dir: (\S+)", conf)[1]
        self.assertIn(f"broker-edge-data:{store}", self.broker["volumes"])
        self.assertIn("broker-edge-data", self.file["volumes"])
        self.assertIn("./nats.conf:" + self.broker["command"][1] + ":ro", self.broker["volumes"])
        monitor = re.search(r'http: "([0-9.:]+)"', conf)[1]
        self.assertEqual(self.broker["healthcheck"]["test"][-1], f"http://{monitor}/healthz")

    def test_the_broker_takes_its_configuration_with_and_without_a_password(self):
        try:
            server = find_program("nats-server")
        except FileNotFoundError as error:
            self.skipTest(str(error))
        conf = read("docker", "nats.conf")
        closed = re.sub(r"(?m)^# (authorization \{|    user: .*|    password: .*|\})$", r"\1", conf)
        self.assertEqual(closed.count("\n# "), conf.count("\n# ") - 4)
        for text, good in ((conf, True), (closed, True), (conf + "\nno_such_thing {", False)):
            with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
                file.write(text)
                file.flush()
                done = subprocess.run([server, "-t", "-c", file.name], capture_output=True, text=True, timeout=30, check=False,
                                      env={"NATS_USER": "agent", "NATS_PASSWORD": "Long-pass_word1"})
            self.assertEqual(done.returncode == 0, good, done.stderr)


class Settings(unittest.TestCase):
    """Each variable that compose.yaml and docs/docker.md name is one that the agent reads, and the other way round."""

    def setUp(self):
        self.binary = find_agent()
        self.assertTrue(self.binary, "no agent is built")
        self.compose = yaml(read("docker", "compose.yaml"))["services"][CLIENT]["environment"]

    def config(self, env):
        done = subprocess.run([self.binary, "config", "--json"], capture_output=True, text=True, timeout=30, check=False,
                              env={"PATH": os.environ["PATH"]} | env)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def taken(self, env):
        """Variables that some setting has its value from."""
        return {row["source"].removeprefix("environment ") for row in self.config(env)["settings"] if row["origin"] == "environment"}

    def known(self):
        """Those of the settings table, in capitals; libcurl's small ones say the same."""
        rows = re.findall(r"\.env = \{([^}]*)\}", read("agent", "config", "settings.c"))
        return {name for row in rows for name in re.findall(r'"([A-Z_]+)"', row)}

    def test_the_agent_reads_each_of_them(self):
        self.assertEqual(set(PROBES) | FILE_VARIABLES, set(self.compose))
        self.assertEqual(self.taken(PROBES), set(PROBES))

    def test_the_probe_would_notice_one_that_it_does_not_read(self):
        self.assertEqual(self.taken({"NATS_NONSENSE": "probe", "LOG_LEVEL": "debug"}), {"LOG_LEVEL"})

    def test_each_variable_of_the_table_is_in_compose(self):
        self.assertGreater(len(self.known()), 10)
        self.assertEqual(self.known() | FILE_VARIABLES, set(self.compose))

    def test_the_files_are_found_by_theirs(self):
        with tempfile.TemporaryDirectory() as folder:
            settings, node = os.path.join(folder, "a.conf"), os.path.join(folder, "node.json")
            with open(settings, "w", encoding="utf-8") as file:
                file.write('log = { level = "warn"; };\n')
            with open(node, "w", encoding="utf-8") as file:
                file.write('{"appliance_id": "probe"}')
            seen = self.config({"SIGNAL_CLIENT_CONFIG": settings, "WF_NODE_CONFIG_FILE": node})
        self.assertEqual((seen["config_file"], seen["node_file"]), (settings, node))

    def test_the_agent_takes_the_values_as_they_stand(self):
        values = {name: expand(value) for name, value in self.compose.items()}
        self.assertEqual(self.taken(values), {name for name, value in values.items() if value})

    def test_docs_name_them_all_with_what_compose_gives(self):
        section = read("docs", "docker.md").split("## Environment", 1)[1].split("\n## ", 1)[0]
        rows = dict(re.findall(r"(?m)^\| `([A-Z_]+)` \| (.*?) ?\| .* \|$", section))
        want = {}
        for name, value in self.compose.items():
            plain = expand(value)
            want[name] = f"`{plain}`" if plain else "from `.env`" if value else ""
        self.assertEqual(rows, want)


class Scripts(unittest.TestCase):
    """packages.sh and quickstart.sh with stand-ins for apt-get, cmake and the like, which write down how they were called."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="signaltest-docker-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.calls_path = os.path.join(self.folder, "calls")
        self.policy = os.path.join(self.folder, "policy-rc.d")
        self.installed = os.path.join(self.folder, "installed")
        self.bin = os.path.join(self.folder, "bin")
        os.makedirs(self.bin)
        self.fake("dpkg-query", 'shift 2; for p; do grep -qx "$p" "$HERE/installed" && echo "ii $p"; done; exit 0')
        self.fake("apt-get", 'note "$0" "$@"; [ -e "$POLICY_RC_D" ] && echo "policy $("$POLICY_RC_D"; echo $?)" >>"$HERE/calls"; '
                             '[ "${NO_PACKAGES-}" ] && case " $* " in *" install "*) echo "E: no such thing" >&2; exit 100 ;; esac; '
                             'case " $* " in *" install "*) for p; do echo "$p" >>"$HERE/installed"; done ;; esac')
        self.fake("id", 'echo "${FAKE_UID:-0}"')
        self.fake("sudo", 'note sudo "$@"; [ "${SUDO_OK-}" ] || exit 1; shift; exec "$@"')
        self.write("installed", "old\n")

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def fake(self, name, body):
        path = os.path.join(self.bin, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/bash\nHERE={self.folder}\nnote() {{ local n=${{1##*/}}; shift; echo "$n $*" >>"$HERE/calls"; }}\n{body}\n')
        os.chmod(path, 0o755)

    def calls(self):
        return read_if(self.calls_path).splitlines()

    def run_bash(self, *argv, **env):
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
                              env={"PATH": f"{self.bin}:/usr/bin:/bin", "POLICY_RC_D": self.policy, "HOME": self.folder} | env)

    def install(self, *packages, **env):
        script = os.path.join(ROOT, "docker", "packages.sh")
        return self.run_bash("bash", "-uc", '. "$0"; packages_install "$@"', script, *packages, **env)

    def test_installs_nothing_where_nothing_is_missing(self):
        done = self.install("old")
        self.assertEqual((done.returncode, done.stdout, done.stderr, self.calls()), (0, "", "", []))

    def test_installs_what_is_missing_and_starts_no_service(self):
        done = self.install("old", "new-1", "new-2")
        self.assertEqual((done.returncode, done.stdout), (0, "== installing: new-1 new-2\n"), done.stderr)
        update, during_update, install, during_install = self.calls()
        self.assertTrue(update.startswith("apt-get ") and update.endswith(" update"), update)
        self.assertTrue(install.endswith(" install -y --no-install-recommends new-1 new-2"), install)
        self.assertEqual((during_update, during_install), ("policy 101", "policy 101"))
        self.assertFalse(os.path.exists(self.policy), "the policy file was left behind")

    def test_leaves_a_policy_alone_that_was_there(self):
        self.write("policy-rc.d", "#!/bin/sh\nexit 7\n")
        os.chmod(self.policy, 0o755)
        self.assertEqual(self.install("new").returncode, 0)
        self.assertIn("policy 7", self.calls())
        self.assertTrue(os.path.exists(self.policy))

    def test_says_what_could_not_be_installed(self):
        done = self.install("new", NO_PACKAGES="1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("E: no such thing\napt-get could not install: new\n", done.stderr)
        self.assertFalse(os.path.exists(self.policy), "the policy file was left behind")

    def test_uses_sudo_that_asks_nothing(self):
        self.assertEqual(self.install("new", FAKE_UID="1000", SUDO_OK="1").returncode, 0)
        with_sudo = [line for line in self.calls() if line.startswith("sudo ")]
        self.assertTrue(with_sudo and all(line.startswith("sudo -n ") for line in with_sudo), with_sudo)
        self.assertTrue(any("DEBIAN_FRONTEND=noninteractive apt-get" in line for line in with_sudo), with_sudo)

    def test_without_rights_names_the_command(self):
        done = self.install("new", "newer", FAKE_UID="1000")
        self.assertEqual(done.returncode, 1)
        self.assertIn("\n    sudo apt-get install --no-install-recommends new newer\n", done.stderr)
        self.assertEqual(self.calls(), ["sudo -n true"])

    # -- quickstart ---------------------------------------------------------------------------------------------------

    def quickstart(self, *arguments, **env):
        self.fake("dpkg-query", 'shift 2; for p; do echo "ii $p"; done')
        self.fake("cmake", 'note cmake "$@"; [ "${NO_CMAKE-}" ] && { echo "cmake is unhappy"; exit 1; }; while [ "$1" != -S ]; do shift; done; '
                           'echo "CMAKE_HOME_DIRECTORY:INTERNAL=$2" >"$4/CMakeCache.txt"; : >"$4/build.ninja"')
        self.fake("ninja", 'note ninja "$@"; [ "${NO_NINJA-}" ] && { printf "[1/2] fine\\nFAILED: x.o\\nx.c:1: error: so\\n"; exit 1; }; '
                           'printf \'#!/bin/sh\\necho "agent $*"\\nexit 3\\n\' >"$2/signal-client"; chmod +x "$2/signal-client"')
        env.setdefault("SIGNAL_QUICKSTART", os.path.join(self.folder, "build"))
        return self.run_bash(os.path.join(ROOT, "docker", "quickstart.sh"), *arguments, **env)

    def configured(self):
        return sum(line.startswith("cmake ") for line in self.calls())

    def test_quickstart_builds_and_becomes_the_demo(self):
        done = self.quickstart("--for", "20s")
        self.assertEqual((done.returncode, done.stderr), (3, ""))  # the demo's own status
        self.assertEqual(done.stdout, f"== building in {self.folder}/build\nagent demo --for 20s\n")
        self.assertEqual(self.configured(), 1)
        done = self.quickstart()
        self.assertEqual(done.stdout, "agent demo\n")
        self.assertEqual(self.configured(), 1, "a second run must not configure again")

    def test_quickstart_begins_anew_in_a_tree_of_another_checkout(self):
        self.quickstart()
        self.write("build/CMakeCache.txt", "CMAKE_HOME_DIRECTORY:INTERNAL=/elsewhere\n")
        self.assertEqual(self.quickstart().returncode, 3)
        self.assertEqual(self.configured(), 2)
        self.assertIn("--fresh", [line for line in self.calls() if line.startswith("cmake ")][1])

    def test_quickstart_builds_in_the_cache_where_it_may_not_write(self):
        self.write("file", "")
        done = self.quickstart(SIGNAL_QUICKSTART=os.path.join(self.folder, "file", "build"))
        self.assertIn(f"== building in {self.folder}/.cache/signal-client/quickstart\n", done.stdout)

    def test_quickstart_shows_why_a_build_failed(self):
        for broken, line in (("NO_CMAKE", "cmake is unhappy"), ("NO_NINJA", "x.c:1: error: so")):
            done = self.quickstart(**{broken: "1"})
            self.assertEqual(done.returncode, 1)
            self.assertIn(line, done.stderr)
            self.assertIn("the build failed; all of its output: ", done.stderr)
            self.assertNotIn("agent demo", done.stdout)


if __name__ == "__main__":
    unittest.main()

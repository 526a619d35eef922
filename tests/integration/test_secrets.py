#!/usr/bin/env python3
"""No secret leaves: an agent at DEBUG polls with every way of signing in, a vendor that quotes whatever it was sent, in every place where a reply can
hold it; then everything that the agent, its commands, its status, its metrics and its trace have said is searched for every secret, in every form.
Beside it: what the process keeps to itself (core dumps, its environment, its command line, its files).

    SIGNAL_CLIENT_BINARY=build/dev/signal-client tests/integration/test_secrets.py
"""

import base64
import html
import http.client
import http.server
import json
import os
import stat
import subprocess
import sys
import threading
import unittest
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "python"))

from signaltest import seal, secrets  # noqa: E402
from signaltest.jetstream import JetStream  # noqa: E402
from signaltest.kv import Bucket  # noqa: E402
from signaltest.procs import Agent, NatsServer, find_agent, find_program  # noqa: E402
from signaltest.secrets import secret  # noqa: E402
from signaltest.tools import Expired, Workspace, free_port, wait_until  # noqa: E402

SOON = 30.0
NATS_PASSWORD = "nats/pass+word=of the test"
OWN = {  # what each integration signs in with; odd characters, so that each encoding looks different
    "okta": {"api_token": "00okta+Token/of=Dana"},
    "1password-events": {"api_token": "eyJ1pw+Token/of=Dana"},
    "crowdstrike-falcon": {"client_id": "falcon-client-of-dana", "client_secret": "falcon+Secret/of=Dana"},
    "office-365": {"client_id": "41463f53-8812-40f4-890f-865bf6e35190", "client_secret": "office~Secret+of/Dana="},
    "splunk": {"username": "svc_splunk", "password": "splunk+Pass/of=Dana\"\\"},
    "qualys": {"username": "qualys_user_of_dana", "password": "qualys+Pass/of=Dana"},
    "cisco-duo": {"integration_key": "DIDANADANADANADANA01", "secret_key": "duo+Secret/of=Dana0123456789abcdefghij"},
    "aws-guardduty": {"access_key_id": "AKIADANADANADANADANA", "secret_access_key": "aws+Secret/of=Dana", "session_token": "aws+Session/of=Dana"},
    "tenable": {"client_id": "tenable+Access/of=Dana", "api_secret": "tenable+Secret/of=Dana"},
    "sentinelone": {"api_key": "s1+Token/of=Dana"},
}
MORE = {"office-365": {"tenant_id": "0b5d4ac6-6d5c-4bb8-9c28-1c1f5a4e6f77"}, "aws-guardduty": {"region": "eu-west-1", "detector_id": "a" * 32},
        "cisco-duo": {"fqdn": "api-x.duosecurity.com"}, "sentinelone": {"host": "x.sentinelone.net"}, "1password-events": {"host": "events.1password.com"},
        "okta": {"fqdn": "acme.okta.com"}, "splunk": {"custom_search": "search index=main"}}


class Echo:
    """A vendor that quotes everything it is sent: `mode` says where."""

    MODES = ("json_401", "header_401", "redirect", "html_503", "json_400", "garbage_200", "error_in_200", "token_then_401")

    def __init__(self):
        self.mode = self.MODES[0]
        self.counts = {}
        echo = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def reply(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                name = self.path.split("/")[1]
                echo.counts[name] = echo.counts.get(name, 0) + 1
                status, headers, out = echo.answer(self, body)
                self.send_response_only(status)
                for header in {"Content-Length": str(len(out)), "Content-Type": "application/json", "Date": self.date_time_string(), **headers}.items():
                    self.send_header(*header)
                self.end_headers()
                self.wfile.write(out)

            do_GET = do_POST = do_DELETE = reply

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @staticmethod
    def quoted(request, body):
        """All that the vendor knows: header values as they came and out of their base64, the body, each value of a form."""
        heard = [value for name, value in request.headers.items() if name.lower() not in ("host", "date", "content-length", "content-type", "accept")]
        for value in list(heard):
            if value.startswith("Basic "):
                heard.append(base64.b64decode(value[6:]).decode("utf-8", "replace"))
            heard += value.split(" ")[1:]
        text = body.decode("utf-8", "replace")
        heard += [text, *(value for values in urllib.parse.parse_qs(text).values() for value in values)]
        return [value for value in heard if value]

    def answer(self, request, body):
        heard = self.quoted(request, body)
        words = " ".join(heard)
        is_token = request.command == "POST" and any(part in request.path for part in ("oauth2", "auth/login"))
        if self.mode == "token_then_401" and is_token:
            return 200, {}, json.dumps({"access_token": secret("given+Token/to=Dana"), "token_type": "Bearer", "expires_in": 3600,
                                        "sessionKey": secret("given+Session/to=Dana")}).encode()
        error = {"message": words, "error": "invalid_client", "error_description": words, "errorSummary": words, "errorCode": heard[-1][:60], "stat": "FAIL",
                 "code": 40101, "errors": [{"message": words, "code": 4010010, "title": words, "detail": words}], "messages": [{"type": "ERROR", "text": words}],
                 "hex": words.encode().hex(), "base64": base64.b64encode(words.encode()).decode()}
        if request.path.startswith("/qualys/"):
            return ({"json_400": 400, "garbage_200": 200, "error_in_200": 200, "html_503": 503}.get(self.mode, 401), {"Content-Type": "application/xml"},
                    f"<SIMPLE_RETURN><RESPONSE><CODE>999</CODE><TEXT>{html.escape(words)}</TEXT></RESPONSE></SIMPLE_RETURN>".encode())
        if self.mode in ("json_401", "token_then_401"):
            return 401, {}, json.dumps(error).encode()
        if self.mode == "header_401":
            line = " ".join(words.split())
            return 401, {"WWW-Authenticate": f'Bearer error="{line}"', "X-Heard": line, "Set-Cookie": f"session={urllib.parse.quote(line, safe='')}"}, b"{}"
        if self.mode == "redirect":
            return 302, {"Location": "https://login.test/" + "/".join(urllib.parse.quote(value, safe="") for value in heard)}, b""
        if self.mode == "html_503":
            return 503, {"Content-Type": "text/html"}, f"<html><body>{words}</body></html>".encode()
        if self.mode == "json_400":
            return 400, {}, json.dumps(error, ensure_ascii=False).encode()
        if self.mode == "garbage_200":
            return 200, {}, ("[{" + words).encode()
        return 200, {}, json.dumps(error).encode()


class SecretsTest(unittest.TestCase):
    def setUp(self):
        binary = os.environ.get("SIGNAL_CLIENT_BINARY") or find_agent()
        self.assertTrue(binary, "no agent is built")
        self.workspace = Workspace(self.id().rsplit(".", 1)[-1])
        self.addCleanup(self.close)
        self.server = NatsServer(self.workspace, user="dana", password=NATS_PASSWORD).start()
        self.connection = self.server.connect()
        js = JetStream(self.connection)
        js.stream_create("DATA", ["local.data.>"])
        self.bucket = Bucket.make(js, "INTEGRATIONS")
        self.status = Bucket.make(js, "INTEGRATION_STATUS")  # before it is read: nats-server 2.9 may panic when asked while a stream is being made
        self.echo = Echo()
        self.addCleanup(self.echo.close)
        self.admin = free_port()
        key = self.workspace.file("seal.key")
        with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(seal.key_text(bytes(range(32))))
        self.proxy = f"http://proxy-user:{urllib.parse.quote(secret('proxy+Pass/of=Dana'), safe='')}@127.0.0.1:{free_port()}"
        self.agent = Agent(self.workspace, binary, self.server, settings=f'admin = {{ listen = "127.0.0.1:{self.admin}"; }};\nseal = {{ key_file = "{key}"; }};',
                           env={"ALL_PROXY": self.proxy, "NO_PROXY": "127.0.0.1"})

    def close(self):
        self.connection.close()
        outcome = self._outcome.result
        self.workspace.close(failed=any(case is self for case, _ in outcome.failures + outcome.errors))

    def value(self, slug, **more):
        url = f"{self.echo.url}/{slug}"
        settings = {"base_url": url, "auth_url": url, **MORE.get(slug, {})}
        if slug == "splunk":
            settings["url"] = settings.pop("base_url")
            settings.pop("auth_url")
        return {"integration_type": slug, "poll_interval_minutes": 60, "settings": settings, "credentials": OWN[slug],
                "rate_limit": {"requests": 1000000, "per_seconds": 1, "reserve_percent": 0}, **more}

    def told(self, name, rev):
        status = self.status.get_json(name, {})
        types = status.get("data_types", {}).values()
        return any(t.get("credential_revision") == rev and t.get("reason") not in ("ok", "starting", "budget_wait") for t in types)

    def round(self, mode):
        """All of them ask, and are answered so. Whoever still waited for an answer of the round before is put once more."""
        self.echo.mode = mode
        before, waiting = dict(self.echo.counts), dict.fromkeys(OWN, 0)

        def all_told():
            for slug, rev in list(waiting.items()):
                if self.echo.counts.get(slug, 0) > before.get(slug, 0) and self.told(f"{slug}-prod", rev):
                    del waiting[slug]
            return not waiting

        for attempt in range(4):
            for slug in waiting:
                waiting[slug] = self.bucket.put(f"{slug}-prod", self.value(slug, name=f"{mode} {attempt}"))
            try:
                return wait_until(all_told, SOON / 4, lambda: f"{mode}: all of {list(waiting)} asked and told")
            except Expired:
                if attempt == 3:
                    raise

    def test_a_vendor_that_quotes_everything(self):
        self.agent.start()
        for mode in Echo.MODES:
            self.round(mode)
        log = self.agent.log()
        for slug in OWN:
            self.assertGreaterEqual(self.echo.counts.get(slug, 0), len(Echo.MODES), f"{slug} was asked in each round")
            lines = [line for line in log.splitlines() if f"integration={slug}-prod" in line]
            if slug != "cisco-duo":  # its secret key is never sent
                self.assertTrue(any("[redacted]" in line for line in lines), f"{slug}: something was quoted and redacted\n" + "\n".join(lines[-5:]))
        self.echo.mode = "json_401"
        asked = [["poll", f"{slug}-prod", "--dry-run", "--trace", *(["--json"] if number % 2 else [])] for number, slug in enumerate(OWN)]
        with ThreadPoolExecutor(len(asked)) as several:
            list(several.map(lambda words: self.agent.command(*words, deadline_s=60), asked))
        for slug in OWN:
            self.agent.command("integrations", "show", f"{slug}-prod", *(["--json"] if slug == "okta" else []))
        for words in (["integrations", "list"], ["integrations", "list", "--json"], ["config"], ["config", "--json"], ["health"], ["doctor"], ["doctor", "--json"],
                      ["doctor", "okta-prod"], ["status"], ["status", "--json"], ["status", "okta-prod"], ["log"]):
            self.agent.command(*words, deadline_s=60)
        for path in ("/metrics", "/healthz", "/readyz"):
            connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=10)
            connection.request("GET", path)
            self.workspace.note(connection.getresponse().read())
            connection.close()
        self.agent.terminate()
        self.server.terminate()
        self.assertEqual(secrets.search(self.workspace._outputs), [])
        with open(self.workspace.file("noted"), encoding="utf-8") as file:
            noted = file.read()
        self.assertIn("[redacted]", noted, "the trace shows requests")
        self.assertIn("signal_client_", noted)

    def test_values_that_are_refused(self):
        """What is not in use, and so unknown to the redactor, is not quoted either."""
        self.agent.start()
        token, other = secret("refused+Token/of=Dana"), secret("userinfo+of/Dana=")
        cases = {
            "in-url": {"integration_type": "okta", "settings": {"base_url": f"https://user:{other}@acme.test"}, "credentials": {"api_token": token}},
            "cut": '{"integration_type":"okta","credentials":{"api_token":"' + token,
            "bare": '{"integration_type":"okta","credentials":{"api_token":' + token + "}}",
            "unknown-type": {"integration_type": "nothing", "credentials": {"api_token": token}},
            "odd-member": {"integration_type": "okta", "credentials": {"api_token": [token]}, "settings": {"fqdn": "acme.okta.com"}},
            "as-interval": {"integration_type": "okta", "credentials": {"api_token": token}, "settings": {"fqdn": "acme.okta.com"}, "poll_interval_minutes": token},
            "sealed-badly": {"integration_type": "okta", "credentials": {"api_token": "sealed:v1:" + token}, "settings": {"fqdn": "acme.okta.com"}},
            "as-proxy": {"integration_type": "okta", "credentials": {"api_token": token}, "settings": {"fqdn": "acme.okta.com"}, "proxy": f"ftp://user:{other}@x"},
            "as-ca": {"integration_type": "okta", "credentials": {"api_token": token}, "settings": {"fqdn": "acme.okta.com"}, "tls": {"ca_file": 5, "verify": token}},
        }
        for name, value in cases.items():
            self.bucket.put(name, value)
        for name in cases:
            wait_until(lambda: self.status.get_json(name, {}).get("reason") == "config_invalid", SOON, lambda: f"{name}: {self.status.get_json(name)}")
        self.agent.command("integrations", "list")
        for name in cases:
            self.agent.command("integrations", "show", name)
        self.agent.terminate()

    def test_proxies_and_unsealed_secrets(self):
        self.agent.start()
        dead = free_port()
        password = secret("proxy2+Pass/of=Dana")
        self.bucket.put("okta-prod", self.value("okta", proxy=f"http://user:{urllib.parse.quote(password, safe='')}@127.0.0.1:{dead}"))
        sealed = self.value("qualys")
        sealed["credentials"] = {name: seal.seal(bytes(range(32)), "qualys-prod", name, text) for name, text in OWN["qualys"].items()}
        self.bucket.put("qualys-prod", sealed)
        wait_until(lambda: self.status.get_json("okta-prod", {}).get("reason") == "proxy_refused", SOON, lambda: f"{self.status.get_json('okta-prod')}")
        self.assertEqual(self.status.get_json("okta-prod")["unsealed"], ["credentials.api_token", "proxy"])
        status = wait_until(lambda: self.told("qualys-prod", 2) and self.status.get_json("qualys-prod"), SOON, lambda: f"{self.status.get_json('qualys-prod')}")
        self.assertNotIn("unsealed", status)
        self.assertRegex(status["credential_saved"], r"^20\d\d-\d\d-\d\dT")
        self.agent.terminate()

    def test_a_client_certificate_that_ends(self):
        path = self.workspace.file("client.pem")
        subprocess.run([find_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "5", "-subj", "/CN=dana",
                        "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
        with open(f"{path}.crt", encoding="ascii") as certificate, open(path, "a", encoding="ascii") as file:
            file.write(certificate.read())
        self.agent.start()
        self.bucket.put("okta-prod", self.value("okta", tls={"cert_file": path}))
        notices = wait_until(lambda: self.status.get_json("okta-prod", {}).get("notices"), SOON, lambda: f"{self.status.get_json('okta-prod')}")
        self.assertEqual([n["reason"] for n in notices], ["auth_expiring"], notices)
        self.assertRegex(notices[0]["detail"], r"^tls\.cert_file ends in 4 days, at 20.*Z \(notAfter of the certificate\)$")
        self.assertRegex(notices[0]["advice"], "Have the client certificate renewed")
        self.assertRegex(self.status.get_json("okta-prod")["credential_ends_by"], "^tls.cert_file: notAfter")
        self.assertIn("[WARN] okta: auth_expiring: tls.cert_file ends in 4 days", self.agent.log())
        self.agent.terminate()

    def test_what_the_process_keeps(self):
        self.agent.env["HTTPS_PROXY"] = self.proxy
        self.agent.start()
        wait_until(lambda: "publishing to stream" in self.agent.log(), SOON, self.agent.log_tail)
        proc = f"/proc/{self.agent.pid}"
        with open(f"{proc}/limits", encoding="ascii") as file:
            core = next(line for line in file if line.startswith("Max core file size"))
        self.assertEqual(core.split()[4:6], ["0", "0"], "no core dump")
        for name in ("environ", "cmdline"):
            with open(f"{proc}/{name}", "rb") as file:
                self.workspace.note(file.read())
        with open(f"{proc}/environ", "rb") as file:
            environ = file.read()
        self.assertIn(b"NATS_USER=dana", environ, "this is its environment")
        if os.geteuid() == 0:  # /proc belongs to root where the process may not be dumped; as root one sees it by the owner alone
            self.assertEqual(os.stat(f"{proc}/mem").st_uid, 0)
        for folder, _, names in os.walk(self.agent.run_dir):
            for name in names:
                mode = stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode)
                self.assertEqual(mode & 0o022, 0, f"{name} is written by its owner alone")
                if name != "health":  # read by whoever watches; it holds states
                    self.assertEqual(mode & 0o077, 0, f"{name} is its owner's alone")
        self.agent.terminate()


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Transport failures on loopback: TCP, proxies, TLS, clocks, answers that are not the vendor's. Names and routes are in test_names.py."""

import datetime
import gzip
import json
import os
import ssl
import subprocess
import unittest

from network import Authority, Front, Raw, Squid, faked, faketime_library, free_port, read_request, reset, self_signed, wait_for_close, wait_until
from symptom import SOON, Peer, SilentPort, Stage, SymptomCase, okta, row, says

QUICK = "http = { connect_timeout_s = 1; first_byte_timeout_s = 2; stall_timeout_s = 1; };"
FAST = 0.02  # minutes


class Case(SymptomCase):
    SETTINGS = QUICK

    def secure(self, url, **changes):
        """An integration whose CA file is the class's own CA."""
        return okta(url, **({"tls": {"ca_file": self.ca.pem}} | changes))

    def polled(self, name):
        wait_until(lambda: any("] okta: fetched " in line for line in self.stage.log_lines(name)), SOON, lambda: f"{name} polls: {self.stage.log_lines(name)}")


class Tcp(Case):
    @row(1)
    def test_silent_port(self):
        port = SilentPort()
        self.addCleanup(port.close)
        name = self.put(okta(f"http://127.0.0.1:{port.port}"))
        facts = self.expect(name, "connect_timeout", rf"No answer from 127\.0\.0\.1 port {port.port} in 1 s", "set a proxy|let this host out", state="error")
        self.assertIn(f"127.0.0.1:{port.port}", facts["detail"])

    @row(1)
    def test_mute_tls(self):
        mute = Raw(wait_for_close)
        self.addCleanup(mute.close)
        name = self.put(okta(mute.url("https")))
        self.expect(name, "read_timeout", "connected, but the TLS handshake was not done in 1 s", "firewall|proxy that buffers")

    def test_closed_port(self):
        name = self.put(okta(f"http://127.0.0.1:{free_port()}"))
        self.expect(name, "connection_refused", "refuses connections: the host is up", "check host and port")

    @row(83)
    def test_cut_again_and_again(self):
        def cut(connection):
            read_request(connection)
            reset(connection)
        peer = Raw(cut, host="127.0.0.83")
        self.addCleanup(peer.close)
        names = [self.put(okta(peer.url(), settings={"base_url": peer.url(), "fqdn": f"a{i}.okta.test", "source": f"a{i}"}), f"cut-{i}") for i in range(3)]
        self.expect(names[0], "connection_lost", r"connection cut before answering \(Connection reset by peer", "if it goes on|times in the last hour")
        wait_until(lambda: any("times in the last hour" in self.stage.status(n).get("detail", "") for n in names), SOON, "the cuts are counted")

    @row(88)
    def test_stalled(self):
        def stall(connection):
            read_request(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n[")
            wait_for_close(connection)
        peer = Raw(stall)
        self.addCleanup(peer.close)
        name = self.put(okta(peer.url()))
        self.expect(name, "read_timeout", "the answer stopped after 1 bytes, nothing came for 1 s", "holds it up|proxy that buffers")

    @row("V18")
    def test_answers_that_stop_early(self):
        record = json.dumps([{"uuid": f"u{i}", "published": "2026-01-01T00:00:00.000Z"} for i in range(3)]).encode()
        packed = gzip.compress(record)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        bodies = {
            "cut-gzip": (head + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + packed[:-12], "bad_response"),
            "cut-without-length": (head + b"Connection: close\r\n\r\n" + record[:60], "bad_response"),
            "short-length": (head + b"Content-Length: %d\r\n\r\n" % len(record) + record[:60], "connection_lost"),
        }
        for name, (reply, code) in bodies.items():
            with self.subTest(name):
                def answer(connection, reply=reply):
                    if read_request(connection):
                        connection.sendall(reply)
                peer = Raw(answer)
                self.addCleanup(peer.close)
                self.put(okta(peer.url()), name)
                self.expect(name, code, "end|cut|stop|clos", "tried again|something on the way")
                self.assertEqual(self.stage.status(name)["data_types"]["system_log"].get("records", 0), 0, "no position moves")


class Proxies(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        workspace = cls.stage.workspace
        passwords = workspace.file("passwords")
        hashed = subprocess.run(["openssl", "passwd", "-apr1", "right-password"], capture_output=True, text=True, check=True).stdout.strip()
        with open(passwords, "w", encoding="ascii") as file:
            file.write(f"lab:{hashed}\n")
        cls.refusing = Squid(workspace, "acl vendor dstdomain .refused.test\nhttp_access deny vendor\nhttp_access allow all", name="squid-refusing",
                             hosts="127.0.0.1 dead.vendor.test\n").start()
        cls.wanting = Squid(workspace, "auth_param basic program /usr/lib/squid/basic_ncsa_auth " + passwords + "\nauth_param basic realm lab\n"
                            "acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all", name="squid-wanting").start()
        cls.ca = Authority(workspace, "Nobodys CA")
        pem, key = cls.ca.issue("two", san="DNS:one.vendor.test,DNS:two.vendor.test")
        cls.front = Front(workspace, {"plain": "location / { return 400 'not a proxy'; }", "tls": f"ssl_certificate {pem}; ssl_certificate_key {key}; return 200 '[]';"}).start()
        cls.open = Squid(workspace, "http_access allow all", hosts="127.0.0.1 one.vendor.test two.vendor.test\n", name="squid-open").start()

    def through(self, proxy, url="https://api.refused.test", **changes):
        return okta(url, proxy=proxy, **changes)

    @row(3)
    def test_refuses_the_host(self):
        name = self.put(self.through(f"http://{self.refusing.address}"))
        facts = self.expect(name, "proxy_refused", r"answered 403 ERR_ACCESS_DENIED.* to CONNECT api\.refused\.test:443: allow that host in the proxy", "[Aa]llow")
        wait_until(lambda: "until" in self.stage.status(name)["data_types"]["system_log"], SOON, "the wait is told")
        self.assertNotIn("try 2", facts["detail"])
        self.assertGreater(self.wait_of(name), 3000, "somebody decided it: an hour, not four seconds")

    def wait_of(self, name):
        """Seconds from now to the next request."""
        until = datetime.datetime.fromisoformat(self.stage.status(name)["data_types"]["system_log"]["until"].replace("Z", "+00:00"))
        return (until - datetime.datetime.now(datetime.timezone.utc)).total_seconds()

    @row(3)
    def test_cannot_reach_it_itself(self):
        name = self.put(self.through(f"http://{self.refusing.address}", f"https://dead.vendor.test:{free_port()}"))
        self.expect(name, "proxy_refused", r"answered 503 ERR_CONNECT_FAIL.*: it cannot reach that host itself", "proxy")

    @row(3)
    def test_down(self):
        port = free_port()
        name = self.put(self.through(f"http://127.0.0.1:{port}"))
        self.expect(name, "proxy_refused", rf"Proxy 127\.0\.0\.1:{port} cannot be reached \(Connection refused\)", "is it running|proxy's address")

    @row(3)
    def test_no_proxy_at_all(self):
        name = self.put(self.through(self.front.url("plain", "http")))
        self.expect(name, "proxy_refused", "answered 400 to CONNECT .*: is it a proxy at all", "check host and port|proxy's address")

    @row(3)
    def test_https_for_a_plain_one(self):
        name = self.put(self.through(f"https://{self.open.address}"))
        self.expect(name, "proxy_refused", "does not speak TLS: give it as http://host:port", "http://|proxy's address")

    @row(109)
    def test_wants_a_password(self):
        name = self.put(self.through(f"http://{self.wanting.address}"))
        self.expect(name, "proxy_auth", r'wants Basic realm="lab": no user and password set', "http://user:password@host:port")

    @row(109)
    def test_wants_another_password(self):
        name = self.put(self.through(f"http://lab:wrong-password@{self.wanting.address}"))
        self.expect(name, "proxy_auth", r'wants Basic realm="lab": a wrong user and password set', "http://user:password@host:port")
        self.assertNotIn("wrong-password", self.stage.agent.log())

    @row(107)
    def test_tls_is_opened_on_the_way(self):
        proxy, port = f"http://{self.open.address}", self.front.ports["tls"]
        one = self.put(self.through(proxy, f"https://one.vendor.test:{port}"), "one")
        self.expect(one, "tls_untrusted", '"Nobodys CA", not among', "tls.ca_file")
        two = self.put(self.through(proxy, f"https://two.vendor.test:{port}"), "two")
        self.expect(two, "tls_intercepted", 'of two.vendor.test and 1 other host are all signed by "Nobodys CA"', "exempt|inspecting CA")


class Tls(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        workspace = cls.stage.workspace
        cls.ca = Authority(workspace, "Lab Root")
        cls.sub = Authority(workspace, "Lab Intermediate", issuer=cls.ca)
        cls.inspector = Authority(workspace, "mitmproxy")
        cls.client_ca = Authority(workspace, "Clients of Acme")
        good = cls.ca.issue("good")

        def site(pair, rest="location / { return 200 '[]'; }"):
            return f"ssl_certificate {pair[0]}; ssl_certificate_key {pair[1]}; {rest}"
        cls.front = Front(workspace, {
            "good": site(good),
            "self": site(self_signed(workspace, "selfmade")),
            "chainless": site(cls.sub.issue("chainless")),
            "inspected": site(cls.inspector.issue("inspected")),
            "expired": site(cls.ca.issue("expired", when="-100d", days=40)),
            "future": site(cls.ca.issue("future", when="+10d")),
            "other": site(cls.ca.issue("other", san="DNS:a.example,DNS:b.example")),
            "old": site(good, "ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0; return 200 '[]';"),
            "plain": "location / { return 200 '[]'; }",
            "client": site(good, f"ssl_client_certificate {cls.client_ca.pem}; ssl_verify_client on; location / {{ return 200 '[]'; }}"),
        }).start()

    @row(4)
    def test_private_ca_and_its_file_comes(self):
        ca_file = self.stage.workspace.file("later.pem")
        with open(ca_file, "w", encoding="ascii") as out, open(self.inspector.pem, encoding="ascii") as wrong:
            out.write(wrong.read())
        name = self.put(okta(self.front.url("good"), tls={"ca_file": ca_file}))
        self.expect(name, "tls_untrusted", rf'is signed by "Lab Root", not among \d+ trusted CAs: add that CA\'s PEM to {ca_file}', "tls.ca_file")
        with open(ca_file, "a", encoding="ascii") as out, open(self.ca.pem, encoding="ascii") as right:
            out.write(right.read())
        self.polled(name)  # without a put, within two seconds, not within the hour

    @row(4)
    def test_self_signed(self):
        name = self.put(okta(self.front.url("self")))
        self.expect(name, "tls_untrusted", 'self-signed certificate \\("selfmade"\\)', "tls.ca_file")

    @row(4)
    def test_intermediate_forgotten(self):
        name = self.put(self.secure(self.front.url("chainless")))
        self.expect(name, "tls_untrusted", r'"Lab Intermediate", not among .*forgot its intermediate \(sent 1 certificate\)', "tls.ca_file")

    @row(5)
    def test_ca_files_that_cannot_be_used(self):
        workspace = self.stage.workspace
        text = workspace.file("text.pem")
        with open(text, "w", encoding="ascii") as file:
            file.write("my CA\n")
        old = Authority.__new__(Authority)
        old.workspace, old.name, old.issuer, old.slug = workspace, "Old Root", None, "old-root"
        old.key, old.pem = workspace.file("ca", "old-root.key"), workspace.file("ca", "old-root.pem")
        old._make(old.key, old.pem, "Old Root", "basicConstraints=critical,CA:TRUE\n", old, "-100d", 40)
        rows = {"missing": ("/nonexistent/ca.pem", "/nonexistent/ca.pem: No such file or directory; in a container this is the container's path"),
                "text": (text, f"{text}: 0 certificates in it"),
                "expired-ca": (old.pem, "all its certificates \\(1\\) have expired, the last on")}
        for name, (path, sentence) in rows.items():
            with self.subTest(name):
                self.put(okta(self.front.url("good"), tls={"ca_file": path}), name)
                self.expect(name, "config_invalid", sentence, "CA file|container's path|save")

    @row(102)
    def test_expired(self):
        name = self.put(self.secure(self.front.url("expired")))
        self.expect(name, "tls_expired", r"Certificate of 127\.0\.0\.1 expired \d{4}-\d\d-\d\d \((59|60) days ago\)", "renew")

    @row(102)
    def test_not_yet_valid(self):
        name = self.put(self.secure(self.front.url("future")))
        self.expect(name, "tls_expired", r"is not valid before \d{4}-\d\d-\d\d \(in 9 days\)", "renew|clock")

    @row(102)
    def test_other_name(self):
        name = self.put(self.secure(self.front.url("other")))
        self.expect(name, "tls_hostname", "is for a.example, b.example", "host")

    @row(107)
    def test_known_inspection_product(self):
        name = self.put(okta(self.front.url("inspected")))
        self.expect(name, "tls_intercepted", 'signed by "mitmproxy", which inspects traffic', "exempt|inspecting CA")

    @row(108)
    def test_old_version(self):
        name = self.put(self.secure(self.front.url("old")))
        self.expect(name, "tls_version", r"127\.0\.0\.1 offers TLS 1\.1 at most, 1\.2 is the least accepted", "update the server")

    @row(108)
    def test_no_tls_there(self):
        name = self.put(self.secure(self.front.url("plain")))
        self.expect(name, "tls_version", r"does not speak TLS on port \d+: check the port", "port")

    def test_client_certificate_wanted(self):
        """nginx says it in a page of its own, others end the handshake."""
        pem, key = self.client_ca.issue("agent-7", san=None)
        url = self.front.url("client")
        name = self.put(self.secure(url))
        self.expect(name, "config_invalid", "wants a client certificate, and none is set", "tls.cert_file and tls.key_file")
        self.put(self.secure(url, tls={"ca_file": self.ca.pem, "cert_file": pem, "key_file": key}), name)
        self.polled(name)

    def test_client_certificate_wanted_in_the_handshake(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.ca.issue("strict"))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self.client_ca.pem)
        peer = Peer(says(200, "[]"), tls=context)
        self.addCleanup(peer.close)
        name = self.put(self.secure(peer.url))
        self.expect(name, "config_invalid", 'wants a client certificate, and none is set', "tls.cert_file and tls.key_file")
        wrong, wrong_key = self.inspector.issue("stranger", san=None)
        self.put(self.secure(peer.url, tls={"ca_file": self.ca.pem, "cert_file": wrong, "key_file": wrong_key}), name)
        self.expect(name, "config_invalid", 'does not accept the client certificate "stranger"', "one that it knows|file")
        with open(wrong, "wb") as out, open(self.client_ca.issue("right", san=None)[0], "rb") as right:
            out.write(right.read())
        self.expect(name, "config_invalid", "key does not belong to the certificate", "key")
        with open(wrong_key, "wb") as out, open(os.path.join(os.path.dirname(wrong), "right.key"), "rb") as right:
            out.write(right.read())
        self.polled(name)
        self.assertNotIn("PRIVATE KEY", self.stage.agent.log())


class Refusals(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.front = Front(cls.stage.workspace, {
            "denied": "root /nonexistent; location / { deny all; }",
            "quoting": "location / { return 403 '{\"error\":\"Your IP address 203.0.113.7 is not in the allowlist\"}'; }",
            "absent": "root /nonexistent;",
            "login-1": "location / { default_type text/html; return 200 '<html><head><title>Guest Wi-Fi: please log in</title></head></html>'; }",
            "login-2": "location / { default_type text/html; return 200 '<html><head><title>Guest Wi-Fi: please log in</title></head></html>'; }",
            "away-1": "location / { return 302 https://portal.example/login; }",
            "away-2": "location / { return 302 https://portal.example/login; }",
        }).start()

    @row(15)
    def test_address_denied_by_a_front(self):
        name = self.put(okta(self.front.url("denied", "http")))
        self.expect(name, "ip_not_allowed", r'403 Forbidden: .* sent a web page \("403 Forbidden"\) from server "nginx.*address that is not allowed \(127\.0\.0\.1', "list of allowed addresses")

    @row(15)
    def test_address_quoted(self):
        name = self.put(okta(self.front.url("quoting", "http")))
        self.expect(name, "ip_not_allowed", r"refuses requests from this address \(203\.0\.113\.7, as it says\); here it is 127\.0\.0\.1, so the public address of the NAT",
                    "list of allowed addresses")

    @row("V14")
    def test_wrong_path_or_host(self):
        name = self.put(okta(self.front.url("absent", "http")))
        self.expect(name, "wrong_host", r'sent a web page \("404 Not Found"\) from server "nginx', "host")

    @row("V14")
    def test_login_page_on_several_vendors(self):
        one = self.put(okta(self.front.url("login-1", "http")), "login-1")
        self.expect(one, "bad_response", r'sent a web page \("Guest Wi-Fi: please log in"\) from server "nginx.*, not data', "login page")
        two = self.put(okta(self.front.url("login-2", "http")), "login-2")
        self.expect(two, "bad_response", r"1 other vendor shows the same: it is the login page of this network \(captive portal\)", "login page")

    @row("V14")
    def test_redirected_to_a_portal(self):
        one = self.put(okta(self.front.url("away-1", "http")), "away-1")
        self.expect(one, "bad_response", r"redirects \(302\) to https://portal.example", "base_url|login page")
        two = self.put(okta(self.front.url("away-2", "http")), "away-2")
        self.expect(two, "bad_response", r"as 1 other vendor does: that is the login page of this network", "log in|login page")


@unittest.skipUnless(faketime_library(), "Debian's package faketime is not installed")
class OtherClock(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.front = Front(cls.stage.workspace, {"late": "location / { return 200 '[]'; }"}, env=faked("-10m")).start()
        cls.right = Front(cls.stage.workspace, {"a": "location / { return 200 '[]'; }"}, name="right", address="127.0.0.46").start()

    @row(46)
    def test_the_vendors_clock_is_wrong(self):
        self.put(okta(self.right.url("a", "http"), poll_interval_minutes=FAST), "a")
        self.polled("a")
        name = self.put(okta(self.front.url("late", "http"), poll_interval_minutes=FAST))
        facts = self.expect(name, "clock_skew", r"This host's clock is (10 min|9 min 59 s|10 min 1 s) ahead of that of 127\.0\.0\.1; NATS and 1 of 1 other vendors agree with this host",
                            "vendor's clock that is wrong")
        self.assertNotIn("chronyc", facts["advice"])
        self.polled(name)


@unittest.skipUnless(faketime_library(), "Debian's package faketime is not installed")
class OwnClock(Case):
    """The agent alone lives 400 days later."""
    ENV = faked("+400d") if faketime_library() else None
    SETTINGS = QUICK

    @row(46, "V17")
    def test_own_clock_is_wrong(self):
        peer = Peer(says(200, "[]"))
        self.addCleanup(peer.close)
        name = self.put(okta(peer.url, poll_interval_minutes=FAST))
        self.expect(name, "clock_skew", r"This host's clock is 400 d ahead of that of 127\.0\.0\.1; NATS agrees with it", "chronyc")

    @row(102)
    def test_every_certificate_looks_expired(self):
        ca = Authority(self.stage.workspace, "Long Root")
        ca._make(ca.key, ca.pem, "Long Root", "basicConstraints=critical,CA:TRUE\n", ca, None, 1000)
        pem, key = ca.issue("good")
        front = Front(self.stage.workspace, {"good": f"ssl_certificate {pem}; ssl_certificate_key {key}; location / {{ return 200 '[]'; }}"}).start()
        name = self.put(okta(front.url("good"), tls={"ca_file": ca.pem}))
        self.expect(name, "clock_skew", r"The certificate of 127\.0\.0\.1 only looks expired: this host's clock says .* which is (400|399) d .*ahead of", "chronyc")


if __name__ == "__main__":
    unittest.main()

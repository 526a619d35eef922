#!/usr/bin/env python3
"""Name resolution, filtered names and missing routes, in a box of its own: network and mount namespaces (`unshare -n -m`) with resolv.conf, hosts file,
addresses and a nameserver that are what the test says. Where a machine does not allow that, this program says so and passes."""

import os
import subprocess
import sys
import unittest

from network import IN_BOX, NOERROR, REFUSED, SERVFAIL, Authority, Front, Nameserver, Squid, add_address, run_in_box, set_resolv_conf
from symptom import SOON, SilentPort, Stage, SymptomCase, okta, row
from test_network import QUICK

from signaltest.tools import free_port, wait_until

PUBLIC = "203.0.113.10"  # documentation addresses: nobody's, here this box's own


def vendor(fqdn, **changes):
    """An integration of okta at the vendor's own name."""
    value = okta("", **changes)
    value["settings"] = {"fqdn": fqdn}
    return value


class Case(SymptomCase):
    SETTINGS = QUICK

    def serve(self, *nameservers, options=""):
        self.addCleanup(set_resolv_conf, "")
        for n in nameservers:
            self.addCleanup(n.close)
        return "".join(f"nameserver {n.address}\n" for n in nameservers) + options


class Names(Case):
    @row(6)
    def test_server_failure(self):
        set_resolv_conf(self.serve(Nameserver({}, other=SERVFAIL)) + "nameserver 127.0.0.9\n")
        name = self.put(vendor("servfail.okta.test"))
        self.expect(name, "dns_failure", r"Cannot resolve servfail\.okta\.test: 127\.0\.0\.1 SERVFAIL in \d+ ms, 127\.0\.0\.9: Connection refused", "resolv.conf")

    @row(6)
    def test_refused(self):
        set_resolv_conf(self.serve(Nameserver({}, other=REFUSED)))
        name = self.put(vendor("refused.okta.test"))
        self.expect(name, "dns_failure", r"Cannot resolve refused\.okta\.test: 127\.0\.0\.1 REFUSED in \d+ ms", "resolv.conf")

    @row(6)
    def test_mute(self):
        set_resolv_conf(self.serve(Nameserver({}, address="127.0.0.7", mute=True)))
        name = self.put(vendor("mute.okta.test"))
        self.expect(name, "dns_failure", r"Cannot resolve mute\.okta\.test: 127\.0\.0\.7 no reply in 5 s; check the nameservers in this container's resolv\.conf", "resolv.conf")
        hung = [line for line in self.stage.agent.log().splitlines() if "has not turned" in line]
        self.assertEqual(hung, [], "no io thread stands still meanwhile")

    @row(6)
    def test_answers_that_are_none(self):
        """Of another question, cut, endless names, pointers in a circle: none of it counts, and nothing breaks."""
        def spoil(answer):
            circle = answer[:12] + b"\xc0\x0c" + answer[-4:]
            return [b"", b"\x00", answer[:11], bytes([answer[0] ^ 1]) + answer[1:], answer[:4] + b"\xff" * 8 + answer[12:], circle, os.urandom(4000), b"\x3f" * 4096]
        set_resolv_conf(self.serve(Nameserver({"odd.okta.test": PUBLIC}, spoil=spoil)))
        name = self.put(vendor("odd.okta.test"))
        self.expect(name, "dns_failure", r"Cannot resolve odd\.okta\.test: 127\.0\.0\.1 (answers no DNS|no reply in 5 s)", "resolv.conf")
        self.assertTrue(self.stage.agent.alive)

    @row(6)
    def test_no_nameserver_named(self):
        set_resolv_conf("# none\n")
        name = self.put(vendor("nobody.okta.test"))
        self.expect(name, "dns_failure", r"127\.0\.0\.1: Connection refused \(resolv\.conf names no nameserver\); name the nameservers", "resolv.conf")

    @row(7)
    def test_no_such_name_while_others_resolve(self):
        set_resolv_conf(self.serve(Nameserver({"vendor.example": PUBLIC})))
        name = self.put(vendor("api.blocked.test"))
        self.expect(name, "dns_failure", r"127\.0\.0\.1 says that the name does not exist \(NXDOMAIN\), while it resolves others; it is misspelt or filtered: "
                    r"correct it, or have blocked\.test allowed there", "filtered|misspelt")

    @row(7)
    def test_no_such_name_and_no_way_out(self):
        set_resolv_conf(self.serve(Nameserver({}, outside=False)))
        name = self.put(vendor("api.inside.test"))
        self.expect(name, "dns_failure", r"does not exist \(NXDOMAIN\); it is misspelt, or that nameserver does not know the outside|none of \d+ vendor hosts", "correct|proxy")

    @row(7)
    def test_no_address(self):
        set_resolv_conf(self.serve(Nameserver({"empty.okta.test": None})))
        name = self.put(vendor("empty.okta.test"))
        self.expect(name, "dns_failure", r"says that the name has no address, while it resolves others", "filtered|misspelt")

    @row(7)
    def test_blocked_by_an_address_of_nobody(self):
        set_resolv_conf(self.serve(Nameserver({"sinkhole.okta.test": "0.0.0.0"})))
        name = self.put(vendor("sinkhole.okta.test"))
        self.expect(name, "dns_failure", r"127\.0\.0\.1 says that sinkhole\.okta\.test is 0\.0\.0\.0, which is this host itself or nothing: the name is filtered or misspelt; "
                    r"have okta\.test allowed", "filtered|misspelt")

    @row(7)
    def test_a_private_address_for_a_vendor(self):
        add_address("10.77.0.1")
        set_resolv_conf(self.serve(Nameserver({"private.okta.test": "10.77.0.1"})))
        name = self.put(vendor("private.okta.test"))
        self.expect(name, "dns_failure", r"127\.0\.0\.1 says that private\.okta\.test is 10\.77\.0\.1, a private address, and nobody answers there", "allowed")

    @row(7)
    def test_blocked_in_the_hosts_file(self):
        with open("/etc/hosts", "a", encoding="ascii") as file:
            file.write("0.0.0.0 hosts.okta.test # a block list\n")
        set_resolv_conf(self.serve(Nameserver({})))
        name = self.put(vendor("hosts.okta.test"))
        self.expect(name, "dns_failure", r"/etc/hosts says that hosts\.okta\.test is 0\.0\.0\.0", "filtered|misspelt")

    @row(3)
    def test_a_proxys_name(self):
        set_resolv_conf(self.serve(Nameserver({"vendor.example": PUBLIC})))
        name = self.put(vendor("any.okta.test", proxy="http://proxy.corp.test:3128"))
        self.expect(name, "proxy_refused", r"Proxy proxy\.corp\.test:3128 does not resolve \(127\.0\.0\.1 NXDOMAIN in \d+ ms\): correct the proxy setting",
                    "correct the proxy setting")


class Slow(Case):
    SETTINGS = "http = { connect_timeout_s = 15; };"

    @row(37)
    def test_slow_names(self):
        """Three vendors, and a nameserver in front of the good one that says nothing."""
        ca = Authority(self.stage.workspace, "Box Root")
        fqdns = [f"slow{i}.okta.test" for i in range(3)]
        add_address("203.0.113.37")
        pem, key = ca.issue("slow", san=",".join(f"DNS:{n}" for n in fqdns))
        front = Front.__new__(Front)
        Front.__init__(front, self.stage.workspace, {"https": f"ssl_certificate {pem}; ssl_certificate_key {key}; location / {{ return 200 '[]'; }}"}, address="203.0.113.37")
        with open(front.conf, encoding="utf-8") as file:
            conf = file.read().replace(f":{front.ports['https']}", ":443")
        with open(front.conf, "w", encoding="utf-8") as file:
            file.write(conf)
        front.ports["https"] = 443
        front.start()
        set_resolv_conf(self.serve(Nameserver({}, address="127.0.0.7", mute=True), Nameserver({n: "203.0.113.37" for n in fqdns}), options="options timeout:1\n"))
        names = [self.put(vendor(n, tls={"ca_file": ca.pem}), n.split(".")[0]) for n in fqdns]
        told = wait_until(lambda: next((n for n in names if self.stage.status(n).get("notices")), None), SOON, "somebody is told")
        self.expect(told, "falling_behind", r"Looking names up takes 1 s \(p95 of the newest \d+\): 127\.0\.0\.7 no reply in 5 s, 127\.0\.0\.1 says 203\.0\.113\.37 in \d+ ms",
                    r"Take 127\.0\.0\.7 out of this container's resolv\.conf, or repair it: 127\.0\.0\.1 answers")
        self.assertEqual(self.stage.status(told)["state"], "active")


class Routes(Case):
    """No way out of the box but for what is its own."""

    @row(2)
    def test_nobody_is_reached_and_no_proxy_is_set(self):
        hosts = {f"far{i}.okta.test": f"198.51.100.{i + 1}" for i in range(3)}
        set_resolv_conf(self.serve(Nameserver(hosts)))
        names = [self.put(vendor(h), h.split(".")[0]) for h in hosts]
        self.expect(names[0], "network_unreachable", r"No way from here to far0\.okta\.test .*Network is unreachable", "proxy")
        wait_until(lambda: any("none of 3 vendor hosts can be reached directly and no proxy is set" in self.stage.status(n).get("detail", "") for n in names), SOON,
                   lambda: f"nobody is reached: {[self.stage.status(n).get('detail') for n in names]}")

    @row(2)
    def test_no_route_to_host(self):
        subprocess.run(["ip", "route", "add", "unreachable", "192.0.2.0/24"], check=True)
        set_resolv_conf(self.serve(Nameserver({"unreachable.okta.test": "192.0.2.7"})))
        name = self.put(vendor("unreachable.okta.test"))
        self.expect(name, "network_unreachable", r"No way from here to unreachable\.okta\.test \(192\.0\.2\.7\) port 443 \((No route to host|Network is unreachable)\)", "proxy")


class Proxied(Case):
    @row(2)
    def test_names_that_only_the_proxy_knows(self):
        ca = Authority(self.stage.workspace, "Proxied Root")
        pem, key = ca.issue("proxied", san="DNS:only.proxy.test")
        front = Front(self.stage.workspace, {"https": f"ssl_certificate {pem}; ssl_certificate_key {key}; location / {{ return 200 '[]'; }}"}, name="proxied").start()
        squid = Squid(self.stage.workspace, "http_access allow all", hosts="127.0.0.1 only.proxy.test\n").start()
        set_resolv_conf(self.serve(Nameserver({}, outside=False)))
        url = f"https://only.proxy.test:{front.ports['https']}"
        name = self.put(okta(url, tls={"ca_file": ca.pem}))
        self.expect(name, "dns_failure", r"Cannot resolve only\.proxy\.test", "proxy|misspelt")
        self.put(okta(url, tls={"ca_file": ca.pem}, proxy=f"http://{squid.address}"), name)
        wait_until(lambda: any("] okta: fetched " in line for line in self.stage.log_lines(name)), SOON, "it polls through the proxy")


class Half(Case):
    """One vendor answers, another one does not."""

    @row(1)
    def test_no_answer_while_others_answer(self):
        ca = Authority(self.stage.workspace, "Answering Root")
        add_address("203.0.113.1")
        pem, key = ca.issue("answering", san="DNS:answers.okta.test")
        front = Front(self.stage.workspace, {"https": f"ssl_certificate {pem}; ssl_certificate_key {key}; location / {{ return 200 '[]'; }}"}, name="answering",
                      address="203.0.113.1").start()
        add_address("203.0.113.2")
        silent = SilentPort("203.0.113.2")
        self.addCleanup(silent.close)
        set_resolv_conf(self.serve(Nameserver({"answers.okta.test": "203.0.113.1", "silent.okta.test": "203.0.113.2"})))
        good = self.put(okta(f"https://answers.okta.test:{front.ports['https']}", tls={"ca_file": ca.pem}), "good")
        wait_until(lambda: any("] okta: fetched " in line for line in self.stage.log_lines(good)), SOON, "the other one polls")
        name = self.put(okta(f"https://silent.okta.test:{silent.port}"))
        self.expect(name, "connect_timeout", rf"No answer from silent\.okta\.test \(203\.0\.113\.2\) port {silent.port} in 1 s, 1 other vendor answers: let this host out to "
                    rf"silent\.okta\.test:{silent.port}, or set a proxy", "proxy")


if __name__ == "__main__":
    if not os.environ.get(IN_BOX):
        sys.exit(run_in_box(os.path.abspath(__file__)))
    unittest.main()

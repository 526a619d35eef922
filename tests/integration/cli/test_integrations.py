"""The `integrations` commands against a real nats-server: what they write, print and refuse."""

import json
import os
import pty
import select
import subprocess
import sys
import threading
import unittest

from signaltest.jetstream import ApiError, JetStream
from signaltest.kv import Bucket

from fixture import BINARY, KEY, TOKEN, CommandTest

class WithoutBucket(CommandTest):
    make = False

    def test_missing(self):
        for words in (["list"], ["show", "x"], ["enable", "x"], ["remove", "x", "--yes"]):
            _, err = self.call("integrations", *words, want=1)
            self.assertIn(f"there is no bucket INTEGRATIONS at {self.server.url}: make it (`nats kv add INTEGRATIONS --history=5`)", err)
        _, err = self.put_acme(want=1)
        self.assertIn("with nats.create = true (NATS_CREATE=true)", err)
        self.assertFalse(self.bucket.exists())

    def test_made_by_put(self):
        self.call("integrations", "list", want=1, env={"NATS_CREATE": "true"})
        self.assertFalse(self.bucket.exists(), "looking makes nothing")
        out, _ = self.put_acme(env={"NATS_CREATE": "true"})
        self.assertEqual(out, "acme-prod made (revision 1)\n")
        self.assertEqual(self.bucket.get_json("acme-prod")["credentials"], {"api_token": TOKEN})

    def test_unreachable(self):
        _, err = self.call("integrations", "list", want=1, env={"NATS_URL": f"nats://u:{TOKEN}@127.0.0.1:1"})
        self.assertIn("127.0.0.1:1", err)


class WithLogin(CommandTest):
    login = {"user": "agent", "password": KEY}

    def test_login(self):
        good = {"NATS_USER": "agent", "NATS_PASSWORD": KEY}
        self.assertIn("no integrations yet", self.call("integrations", "list", env=good)[0])
        _, err = self.call("integrations", "list", want=1)
        self.assertIn("authentication refused", err)


class Put(CommandTest):
    def test_options(self):
        out, err = self.call("integrations", "put", "acme-prod", "--type", "ACME", "--name", "Acme production", "--set", "fqdn=a.acme.test",
                             "--set", "client_id=c-1=2", "--set", "use_mirror=false", "--set", "page_size=50", "--secret", "signing_key",
                             "--secret=api_token", "--interval-minutes", "0.5", "--data-type", "assets=off", "--data-type", "events",
                             "--disabled", stdin=f"{KEY}\r\n{TOKEN}")
        self.assertEqual(out, "acme-prod made (revision 1)\n")
        self.assertEqual(err, "")
        self.assertEqual(self.bucket.get_json("acme-prod"), {
            "integration_type": "ACME", "enabled": False, "name": "Acme production", "poll_interval_minutes": 0.5,
            "settings": {"fqdn": "a.acme.test", "use_mirror": False, "page_size": "50"},
            "credentials": {"client_id": "c-1=2", "signing_key": KEY, "api_token": TOKEN},
            "data_types": {"assets": {"enabled": False}, "events": {"enabled": True}}})

    def test_other_names(self):
        self.call("integrations", "put", "acme-prod", "--type", "acme", "--set", "fqdn=https://A.acme.test/", "--set", "org=c-1", "--secret", "api_token",
                  "--secret", "hook_key", stdin=f"{TOKEN}\n{KEY}")
        own = {"client_id": "c-1", "api_token": TOKEN, "signing_key": KEY}
        self.assertEqual(self.bucket.get_json("acme-prod")["credentials"], own, "a field is written under its own name")
        value = self.bucket.get_json("acme-prod")
        value["credentials"] = {"api_token": TOKEN, "hook_key": KEY + "-old"}
        value["settings"]["org"] = "c-2"
        self.bucket.put("acme-prod", value)
        out, _ = self.call("integrations", "show", "acme-prod")
        self.assertNotIn(KEY, out)
        self.call("integrations", "put", "acme-prod", "--secret", "signing_key", "--set", "client_id=c-1", stdin=KEY)
        self.assertEqual(self.bucket.get_json("acme-prod")["credentials"], own, "and the other name goes")
        self.assertEqual(self.bucket.get_json("acme-prod")["settings"], {"fqdn": "https://A.acme.test/"})
        self.assertIn("secret, also called hook_key", self.call("connectors", "show", "acme")[0])

    def test_replaced_and_changed(self):
        self.put_acme()
        out, _ = self.put_acme("acme-prod", "--json")
        self.assertEqual(json.loads(out), {"name": "acme-prod", "result": "replaced", "revision": 2})
        value = self.bucket.get_json("acme-prod")
        value["settings"]["api_token"] = "in-the-other-object"
        del value["credentials"]["api_token"]
        value["x-kept"] = {"n": 0.1, "list": [1, 2.5e-7, None]}
        self.bucket.put("acme-prod", value)
        out, err = self.call("integrations", "put", "acme-prod", "--secret", "api_token", "--interval-minutes", "5", stdin=TOKEN)
        self.assertEqual(out, "acme-prod changed (revision 4)\n")
        self.assertIn("warning: x-kept is unknown and ignored", err)
        value["credentials"]["api_token"] = TOKEN
        del value["settings"]["api_token"]
        value["poll_interval_minutes"] = 5
        self.assertEqual(self.bucket.get_json("acme-prod"), value)
        self.assertIn(b'"n": 0.1,', self.bucket.get("acme-prod").value)

    def test_refused(self):
        secret = ["--secret", "api_token"]
        rows = [
            (["--set", "fqdn=https://a.acme.test/x", *secret], 1, 'settings.fqdn is "https://a.acme.test/x": give the host alone: a.acme.test'),
            (["--set", "fqdn=a.acme.test"], 1, "credentials.api_token is missing: give the API token"),
            (["--set", "fqdn=a.acme.test", *secret, "--secret", "signing_key"], 2, "standard input ended before signing_key"),
            (["--set", f"api_token={TOKEN}"], 2, "api_token is a secret; as an argument it would stay in the shell's history"),
            (["--set", "fqnd=x"], 2, 'acme has no field "fqnd"; it has: fqdn, use_mirror, api_token, signing_key, client_id, base_url'),
            (["--secret", "token"], 2, 'acme has no field "token"'),
            (["--set", "fqdn"], 2, "--set fqdn: give it as --set FIELD=VALUE"),
            (["--set", "fqdn=a.acme.test", "--interval-minutes", "0.001", *secret], 1, "poll_interval_minutes must be a number from 0.01"),
            (["--interval-minutes", "5min"], 2, "--interval-minutes 5min: give a number, such as 5 or 0.5"),
            (["--data-type", "events=maybe"], 2, "--data-type events=maybe: give it as --data-type NAME or --data-type NAME=off"),
            (["--set", "fqdn=a.acme.test", "--data-type", "evnts", *secret], 1, "data_types.evnts is unknown; Acme has: events, assets"),
        ]
        for words, code, text in rows:
            with self.subTest(text):
                _, err = self.call("integrations", "put", "x", "--type", "acme", *words, stdin=TOKEN + "\n", want=code)
                self.assertIn(text, err)
        _, err = self.call("integrations", "put", "x", "--type", "acme", "--set", "fqdn=a.test", *secret, stdin=f" {TOKEN}\n", want=1)
        self.assertIn("credentials.api_token has 19 characters and begins with white space: copy it without", err)
        _, err = self.call("integrations", "put", "x", "--type", "acme", "--set", "fqdn=a.test", *secret, stdin="\n", want=2)
        self.assertIn("api_token is empty: nothing was written", err)
        _, err = self.call("integrations", "put", "x", *secret, stdin=TOKEN, want=1)
        self.assertIn("there is no integration x yet: say with --type of which kind it is", err)
        self.assertEqual(self.bucket.keys(), [])

    def test_file(self):
        text = ('{ "integration_type" : "acme",\n\t"settings": {"fqdn": "a.acme.test"}, "credentials": {"api_token": "%s"},'
                '\n  "poll_interval_minutes": 5.00, "odd": 1e2 }\n' % TOKEN)
        path = self.workspace.file("value.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        for rev, words, stdin in ((1, [path], ""), (2, ["-"], text)):
            _, err = self.call("integrations", "put", "acme-prod", "--file", *words, stdin=stdin)
            self.assertIn("warning: odd is unknown and ignored", err)
            entry = self.bucket.get("acme-prod")
            self.assertEqual((entry.revision, entry.value.decode()), (rev, text), "every byte as it was")
        _, err = self.call("integrations", "put", "acme-prod", "--file", "-", stdin=text.replace('"acme"', '"amce"'), want=1)
        self.assertIn('integration_type "amce" is unknown', err)
        _, err = self.call("integrations", "put", "acme-prod", "--file", "-", stdin=text.replace("}, ", "} "), want=1)
        self.assertIn("the value is no valid JSON: line 2, column ", err)
        self.assertEqual(self.bucket.get("acme-prod").revision, 2)

    def test_after_removal(self):
        self.put_acme()
        self.call("integrations", "remove", "acme-prod", "--yes")
        self.assertEqual(self.put_acme()[0], "acme-prod made (revision 3)\n")


class Terminal(CommandTest):
    """A secret on a terminal is asked for and never echoed."""

    def talk(self, words, answers):
        """Runs a command on a terminal; each answer is typed when its question stands there. Returns exit code and screen."""
        master, slave = pty.openpty()
        process = subprocess.Popen([BINARY, *words], stdin=slave, stdout=slave, stderr=slave, env=self.environment(), start_new_session=True)
        self.workspace.adopt(process)
        os.close(slave)
        screen = b""
        pending = list(answers)
        while select.select([master], [], [], 30)[0]:
            try:
                piece = os.read(master, 4096)
            except OSError:
                break
            if not piece:
                break
            screen += piece
            if pending and screen.endswith(pending[0][0]):
                os.write(master, pending.pop(0)[1])
        else:
            self.fail(f"nothing more on the terminal: {screen}")
        os.close(master)
        self.assertEqual(pending, [], screen)
        return process.wait(timeout=60), screen.decode()

    PUT = ["integrations", "put", "acme-prod", "--type", "acme", "--set", "fqdn=a.acme.test", "--secret", "api_token", "--secret", "signing_key"]

    def test_asked(self):
        code, screen = self.talk(self.PUT, [(b"api_token: ", TOKEN.encode() + b"\n"), (b"signing_key: ", KEY.encode() + b"\n")])
        self.assertEqual(code, 0, screen)
        self.assertNotIn(TOKEN, screen)
        self.assertNotIn(KEY, screen)
        self.assertEqual(self.bucket.get_json("acme-prod")["credentials"], {"api_token": TOKEN, "signing_key": KEY})

    def test_cancelled(self):
        code, screen = self.talk(self.PUT, [(b"api_token: ", b"half\x03")])
        self.assertEqual(code, 2, screen)
        self.assertIn("cancelled, nothing was written", screen)
        self.assertEqual(self.bucket.keys(), [])

    def test_remove(self):
        self.put_acme()
        question = b"Remove integration acme-prod? Its checkpoints are kept. [y/N] "
        code, screen = self.talk(["integrations", "remove", "acme-prod"], [(question, b"n\n")])
        self.assertEqual((code, "nothing was removed" in screen), (1, True), screen)
        self.assertEqual(self.bucket.keys(), ["acme-prod"])
        code, screen = self.talk(["integrations", "remove", "acme-prod"], [(question, b"y\n")])
        self.assertEqual((code, "acme-prod removed" in screen), (0, True), screen)
        self.assertEqual(self.bucket.keys(), [])


class Switch(CommandTest):
    TEXT = ('{"integration_type":"acme", "enabled" :true,\r\n "settings":{"fqdn":"a.acme.test","enabled":true},'
            '"n":12345678901234567890.10,"credentials":{"api_token":"%s"},"x":{"later":[1.50,"\\u00fc"]}}' % TOKEN)

    def test_every_other_byte_stays(self):
        self.bucket.put("acme-prod", self.TEXT)
        out, _ = self.call("integrations", "disable", "acme-prod")
        self.assertEqual(out, "acme-prod disabled (revision 2)\n")
        self.assertEqual(self.bucket.get("acme-prod").value.decode(), self.TEXT.replace('"enabled" :true', '"enabled" :false'))
        out, _ = self.call("integrations", "disable", "acme-prod", "--json")
        self.assertEqual(json.loads(out), {"name": "acme-prod", "result": "is disabled already", "revision": 2})
        self.call("integrations", "enable", "acme-prod")
        self.assertEqual(self.bucket.get("acme-prod").value.decode(), self.TEXT)
        self.assertEqual(self.call("integrations", "enable", "acme-prod")[0], "acme-prod is enabled already (revision 3)\n")

    def test_refused(self):
        _, err = self.call("integrations", "enable", "nothing", want=1)
        self.assertIn("there is no integration nothing: `signal-client integrations list` shows what there is", err)
        _, err = self.call("integrations", "enable", "a b", want=1)
        self.assertIn('"a b" cannot be a name', err)
        for value in ("[]", "{", '{"enabled":true,"enabled":false}'):
            self.bucket.put("odd", value)
            _, err = self.call("integrations", "disable", "odd", want=1)
            self.assertIn("the stored value is no JSON object: put it again", err)
            self.assertEqual(self.bucket.get("odd").value.decode(), value)

    def test_nobody_loses_a_change(self):
        """Another writer counts while the switch is thrown: each of its numbers must stand, and so must the last switch."""
        self.bucket.put("acme-prod", '{"n":0,"enabled":true}')
        last, stop, numbers = 2000, threading.Event(), []

        def count():
            with self.server.connect("counter") as connection:
                bucket = Bucket(JetStream(connection), "INTEGRATIONS")
                while not stop.is_set() and len(numbers) < last:
                    entry = bucket.get("acme-prod")
                    value = entry.json()
                    value["n"] += 1
                    try:
                        bucket.update("acme-prod", json.dumps(value), entry.revision)
                        numbers.append(value["n"])
                    except ApiError:
                        pass

        thread = threading.Thread(target=count)
        thread.start()
        done = []
        try:
            for i in range(8):
                word = "disable" if i % 2 == 0 else "enable"
                process = subprocess.run([BINARY, "integrations", word, "acme-prod"], env=self.environment(), capture_output=True,
                                         text=True, timeout=60, check=False)
                if process.returncode:
                    self.assertIn("somebody else keeps changing this integration; nothing was written", process.stderr)
                else:
                    done.append(word == "enable")
                    self.assertEqual(self.bucket.get_json("acme-prod")["enabled"], done[-1])
        finally:
            stop.set()
            thread.join()
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)), "no number was written twice or lost")
        self.assertEqual(self.bucket.get_json("acme-prod")["n"], len(numbers))

    def test_remove(self):
        self.put_acme()
        _, err = self.call("integrations", "remove", "acme-prod", want=2)
        self.assertIn("nobody can be asked here: confirm with --yes", err)
        out, err = self.call("integrations", "remove", "acme-prod", "--yes")
        self.assertEqual(out, "acme-prod removed\n")
        self.assertIn("`nats kv purge INTEGRATIONS acme-prod`", err)
        self.assertEqual(self.bucket.entry("acme-prod").operation, "DEL")
        _, err = self.call("integrations", "remove", "acme-prod", "--yes", want=1)
        self.assertIn("there is no integration acme-prod", err)


class Show(CommandTest):
    def test_list(self):
        self.assertEqual(self.call("integrations", "list", "--json")[0].strip(), "[]")
        self.put_acme("b")
        self.put_acme("a", "--disabled")
        self.bucket.put("c", "no JSON " + TOKEN)
        Bucket.make(self.js, "INTEGRATION_STATUS").put("b", {
            "v": 1, "state": "rate_limited", "reason": "rate_limited", "detail": "429, next request 10:15:41Z\x1b[2J", "advice": "Nothing to do.",
            "since": "2026-11-21T10:15:02.123Z", "updated": "2026-11-21T10:15:03.000Z"})
        out, _ = self.call("integrations", "list")
        self.assertEqual(out.splitlines(), [
            "NAME  TYPE  ENABLED  SEALED  REVISION  STATE         REASON        DETAIL",
            "a     acme  false    no      2",
            "b     acme  true     no      1         rate_limited  rate_limited  429, next request 10:15:41Z?[2J",
            "c                            3                                     the value is no JSON object: put it again"])
        rows = json.loads(self.call("integrations", "list", "--json")[0])
        self.assertEqual([r["name"] for r in rows], ["a", "b", "c"])
        self.assertEqual((rows[1]["state"], rows[1]["revision"], rows[2]["readable"]), ("rate_limited", 1, False))

    def test_secrets_are_hidden(self):
        value = {"integration_type": "acme", "settings": {"fqdn": "a.acme.test", "api_token": "", "old_password": KEY},
                 "credentials": {"api_token": TOKEN, "client_id": "c-1", "spare": {"deep": [KEY, 5]}, "number": 4711, "empty": ""},
                 "proxy": f"http://user:{KEY}@proxy:3128", "name": f"copied {TOKEN} here", "apiKey": KEY, "data_types": {"assets": False}}
        del value["settings"]["api_token"]
        self.bucket.put("acme-prod", value)
        out, _ = self.call("integrations", "show", "acme-prod", "--json")
        shown = json.loads(out)
        self.assertTrue(shown["valid"])
        self.assertEqual(shown["revision"], 1)
        self.assertEqual(shown["source"], "acme|https://a.acme.test")
        self.assertIn("settings.old_password is unknown and ignored", shown["warnings"])
        self.assertIsNone(shown["status"])
        self.assertEqual(shown["value"], {
            "integration_type": "acme", "settings": {"fqdn": "a.acme.test", "old_password": "[set, 15 characters]"},
            "credentials": {"api_token": "[set, 18 characters]", "client_id": "c-1",
                            "spare": {"deep": ["[set, 15 characters]", "[set]"]}, "number": "[set]", "empty": ""},
            "proxy": "http://[set]@proxy:3128", "name": "copied [redacted] here", "apiKey": "[set, 15 characters]",
            "data_types": {"assets": False}})
        out, _ = self.call("integrations", "show", "acme-prod")
        self.assertIn("valid     yes\n", out)
        self.assertIn("state     the agent has said nothing about it yet\n", out)
        self.assertIn('"api_token": "[set, 18 characters]"', out)

    def test_what_is_wrong_is_said(self):
        rows = [("no JSON " + TOKEN, "the value is no valid JSON"),
                ('{"integration_type":"gone","credentials":{"user":"%s"}}' % TOKEN, 'integration_type "gone" is unknown'),
                ('{"integration_type":"acme","settings":{},"credentials":{"api_token":"%s"}}' % TOKEN, "settings.fqdn is missing")]
        for value, problem in rows:
            with self.subTest(problem):
                self.bucket.put("bad", value)
                out, _ = self.call("integrations", "show", "bad", want=1)
                self.assertIn("valid     no\n", out)
                self.assertIn(f"problem   {problem}", out)
                shown = json.loads(self.call("integrations", "show", "bad", "--json", want=1)[0])
                self.assertFalse(shown["valid"])
                self.assertIn(problem, shown["problem"])

    def test_status_is_shown(self):
        self.put_acme()
        Bucket.make(self.js, "INTEGRATION_STATUS").put("acme-prod", {
            "state": "error", "reason": "auth_expired", "detail": "401 Unauthorized", "advice": "Make a new token.", "since": "2026-11-21T10:15:02.123Z"})
        out, _ = self.call("integrations", "show", "acme-prod")
        for line in ("state     error (auth_expired)", "since     2026-11-21T10:15:02.123Z", "detail    401 Unauthorized", "advice    Make a new token."):
            self.assertIn(line + "\n", out)

    def test_connectors(self):
        self.assertEqual(self.call("connectors", "list")[0], "NAME  TITLE  CATEGORY  DATA TYPES\nacme  Acme   Tests     events, assets\n")
        self.assertEqual(json.loads(self.call("connectors", "list", "--json")[0])[0]["data_types"], ["events", "assets"])
        out, _ = self.call("connectors", "show", "ACME")
        for text in ("acme: Acme (Tests)", "fqdn", "required, host, such as x.acme.test", "required, secret", "Acme console > Tokens",
                     "events: Events, every 5 min, the first poll looks back 1 d", "permission to grant: Events: Read",
                     "api: 60 requests in 60 s for each credential, corrected by X-Remaining"):
            self.assertIn(text, out)
        shown = json.loads(self.call("connectors", "show", "acme", "--json")[0])
        self.assertEqual(shown["credentials"][0], {"name": "api_token", "title": "API token", "kind": "text", "required": True, "secret": True})
        self.assertEqual(shown["data_types"][0]["interval_minutes"], 5)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)

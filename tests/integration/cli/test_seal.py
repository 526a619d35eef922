"""Sealed credentials as an operator meets them: key files, `seal`, what put and import write, the change to a new key. What the program seals
is opened by another implementation (signaltest.seal), and the other way round."""

import json
import os
import stat
import subprocess
import sys
import threading
import unittest

from signaltest import seal
from signaltest.jetstream import ApiError, JetStream
from signaltest.kv import Bucket

from fixture import BINARY, KEY, TOKEN, CommandTest


class SealTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.first, self.second = self.workspace.file("first.key"), self.workspace.file("second.key")
        self.ids = {}
        for path in (self.first, self.second):
            out, _ = self.call("seal", "--new-key", path, "--json")
            made = json.loads(out)
            self.assertEqual(made, {"file": path, "key": seal.key_id(seal.read_key(path))})
            self.ids[path] = made["key"]

    def keys(self, first=None, old=None):
        """Settings as variables."""
        names = {"SIGNAL_CLIENT_SEAL_KEY_FILE": first or self.first} | ({"SIGNAL_CLIENT_SEAL_OLD_KEY_FILE": old} if old else {})
        return names

    def opened(self, path, name, field, value):
        return seal.unseal(seal.read_key(path), name, field, value)

    def stored(self, name="acme-prod"):
        return self.bucket.get(name).value.decode()

    def no_secret_in_bucket(self):
        for key in self.bucket.keys():
            for secret in (TOKEN, KEY):
                self.assertNotIn(secret, self.stored(key))


class KeyFiles(SealTest):
    def test_made(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.first).st_mode), 0o600)
        self.assertEqual(len(seal.read_key(self.first)), 32)
        before = seal.read_key(self.first)
        _, err = self.call("seal", "--new-key", self.first, want=1)
        self.assertIn(f"{self.first} exists already and was left as it is", err)
        self.assertEqual(seal.read_key(self.first), before)
        out, _ = self.call("seal", "--new-key", self.workspace.file("third.key"), env=self.keys())
        self.assertIn("name it as seal.key_file to every agent", out)
        self.assertIn(f"name {self.first} as seal.old_key_file meanwhile; then `signal-client seal --rotate`", out)
        self.assertNotIn(seal.key_text(before).strip(), out)

    def test_bad_ones(self):
        os.chmod(self.first, 0o640)
        for words in (["seal", "acme-prod", "api_token"], ["seal", "--rotate"], ["integrations", "put", "acme-prod", "--name", "x"]):
            _, err = self.call(*words, env=self.keys(), stdin=TOKEN, want=1)
            self.assertIn(f"key file {self.first} is open to others (owner {os.getuid()}, mode 0640): `chmod 600 {self.first}`", err)
        _, err = self.put_acme(env=self.keys("/nowhere/key"), want=1)
        self.assertIn("key file /nowhere/key cannot be read by user", err)
        self.assertIn("nothing was written", err)
        self.assertEqual(self.bucket.keys(), [])


class One(SealTest):
    def test_sealed_by_hand(self):
        """What `seal` prints can be written into the bucket by anything."""
        out, _ = self.call("seal", "acme-prod", "api_token", stdin=TOKEN + "\n", env=self.keys())
        self.assertEqual(self.opened(self.first, "acme-prod", "api_token", out.rstrip("\n")), TOKEN)
        made = json.loads(self.call("seal", "acme-prod", "hook_key", "--json", stdin="-----BEGIN K-----\nQUJD\n-----END K-----\n\n", env=self.keys())[0])
        self.assertEqual((made["name"], made["field"], made["key"]), ("acme-prod", "hook_key", self.ids[self.first]))
        self.assertEqual(self.opened(self.first, "acme-prod", "hook_key", made["sealed"]), "-----BEGIN K-----\nQUJD\n-----END K-----\n")
        self.bucket.put("acme-prod", {"integration_type": "acme", "settings": {"fqdn": "a.acme.test"},
                                      "credentials": {"api_token": out.rstrip("\n"), "hook_key": made["sealed"]}})
        shown = json.loads(self.call("integrations", "show", "acme-prod", "--json", env=self.keys())[0])
        self.assertEqual((shown["valid"], shown["sealed"]["all"]), (True, "yes"))
        self.assertEqual(shown["value"]["credentials"]["api_token"], out.rstrip("\n"), "what is sealed is no secret")

    def test_from_another_hand(self):
        """Sealed by the other implementation, opened by this one."""
        key = seal.read_key(self.first)
        self.bucket.put("eu/acme=1", {"integration_type": "acme", "settings": {"fqdn": "a.acme.test"},
                                      "credentials": {"api_token": seal.seal(key, "eu/acme=1", "api_token", TOKEN)},
                                      "proxy": seal.seal(key, "eu/acme=1", "proxy", f"http://user:{KEY}@127.0.0.1:1")})
        out, _ = self.call("integrations", "show", "eu/acme=1", env=self.keys())
        self.assertIn("valid     yes\n", out)
        self.assertIn(f"sealed    credentials.api_token (key {self.ids[self.first]}), proxy (key {self.ids[self.first]})\n", out)

    def test_nothing_given(self):
        _, err = self.call("seal", "acme-prod", "api_token", env=self.keys(), want=1)
        self.assertIn("standard input is empty", err)
        _, err = self.call("seal", "acme-prod", "fqdn", env=self.keys(), want=2)
        self.assertIn('no connector has a secret "fqdn"', err)
        sealed, _ = self.call("seal", "acme-prod", "api_token", stdin=TOKEN, env=self.keys())
        _, err = self.call("seal", "acme-prod", "api_token", stdin=sealed, env=self.keys(), want=1)
        self.assertIn("this is a sealed value already", err)


class Tail(SealTest):
    def test_told_what_cannot_be_recognised(self):
        """tail keeps credentials out of what it prints; where it cannot open one it says so."""
        self.js.stream_create("DATA", ["local.data.>"])
        self.put_acme(env=self.keys())
        self.js.publish("local.data.artifacts.raw", b"{}", {"ce-id": TOKEN, "ce-source": "signal-client/acme/acme-prod", "ce-type": "acme.events"})
        out, err = self.call("tail", "--since", "10m", "--for", "0", env=self.keys())
        self.assertIn("[redacted]", out)
        self.assertEqual(err, "")
        self.put_acme("acme-two", env=self.keys())
        _, err = self.call("tail", "acme-two", "--since", "10m", "--for", "0")
        self.assertIn(f"warning: acme-two: credentials.api_token is sealed with key {self.ids[self.first]}, and seal.key_file is not set", err)
        self.assertIn("a credential of it in a header would not be recognised", err)


class Put(SealTest):
    def test_put_seals(self):
        out, err = self.put_acme("acme-prod", "--secret", "signing_key", "--set", "client_id=c-1", env=self.keys(), want=2)
        self.assertIn("standard input ended before signing_key", err)
        out, err = self.call("integrations", "put", "acme-prod", "--type", "acme", "--set", "fqdn=a.acme.test", "--secret", "api_token",
                             "--secret", "hook_key", "--set", "client_id=c-1", stdin=f"{TOKEN}\n{KEY}\n", env=self.keys())
        self.assertEqual((out, err), ("acme-prod made (revision 1), sealed: credentials.api_token, credentials.signing_key\n", ""))
        value = self.bucket.get_json("acme-prod")
        self.assertEqual(value["credentials"]["client_id"], "c-1", "what is no secret stays readable")
        self.assertEqual(self.opened(self.first, "acme-prod", "api_token", value["credentials"]["api_token"]), TOKEN)
        self.assertEqual(self.opened(self.first, "acme-prod", "signing_key", value["credentials"]["signing_key"]), KEY)
        self.no_secret_in_bucket()
        out, _ = self.call("integrations", "put", "acme-prod", "--interval-minutes", "5", "--json", env=self.keys())
        self.assertEqual(json.loads(out), {"name": "acme-prod", "result": "changed", "revision": 2})
        self.assertEqual(self.bucket.get_json("acme-prod")["credentials"], value["credentials"], "what is sealed stays as it is")

    def test_validated_as_if_plain(self):
        _, err = self.call("integrations", "put", "x", "--type", "acme", "--set", "fqdn=a.test", "--secret", "api_token", stdin=f" {TOKEN}\n",
                           env=self.keys(), want=1)
        self.assertIn("credentials.api_token has 19 characters and begins with white space: copy it without", err)
        self.assertEqual(self.bucket.keys(), [])

    def test_plain(self):
        _, err = self.put_acme("acme-prod", "--plain", env=self.keys())
        self.assertIn("warning: not sealed, though there is a key: credentials.api_token; who may read the bucket reads them", err)
        self.assertEqual(self.bucket.get_json("acme-prod")["credentials"]["api_token"], TOKEN)
        out, _ = self.call("integrations", "show", "acme-prod", env=self.keys())
        self.assertIn("unsealed  credentials.api_token\n", out)
        self.put_acme("without-key")
        out, err = self.call("integrations", "put", "acme-prod", "--name", "Now", env=self.keys())
        self.assertEqual((out, err), ("acme-prod changed (revision 3), sealed: credentials.api_token\n", ""))
        rows = {row["name"]: row["sealed"] for row in json.loads(self.call("integrations", "list", "--json")[0])}
        self.assertEqual(rows, {"acme-prod": "yes", "without-key": "no"})

    def test_file(self):
        text = '{ "integration_type":"acme", "settings": {"fqdn": "a.acme.test"},\n "credentials": {"hook_key":"%s","api_token":%s, "note":"%s"},' \
               ' "poll_interval_minutes": 5.00, "proxy":"http://u:%s@p:1" }\n' % (KEY, json.dumps(TOKEN), KEY + "x", KEY)
        out, err = self.call("integrations", "put", "acme-prod", "--file", "-", stdin=text, env=self.keys())
        self.assertIn("sealed: credentials.hook_key, credentials.api_token, credentials.note, proxy\n", out)
        self.assertIn("credentials.note is unknown and ignored", err)
        self.no_secret_in_bucket()
        value = self.bucket.get_json("acme-prod")
        self.assertEqual(self.opened(self.first, "acme-prod", "signing_key", value["credentials"]["hook_key"]), KEY, "by the field's own name")
        self.assertEqual(self.opened(self.first, "acme-prod", "proxy", value["proxy"]), f"http://u:{KEY}@p:1")
        exact = '{"integration_type" :"acme","settings":{"fqdn":"a.acme.test"}, "credentials":{"api_token":"%s"} }' % value["credentials"]["api_token"]
        self.call("integrations", "put", "acme-prod", "--file", "-", stdin=exact, env=self.keys())
        self.assertEqual(self.stored(), exact, "sealed already: every byte as it was")
        number = '{"integration_type":"acme","settings":{"fqdn":"a.acme.test"},"credentials":{"api_token":4711471147114711}}'
        self.call("integrations", "put", "acme-prod", "--file", "-", stdin=number, env=self.keys())
        self.assertEqual(self.opened(self.first, "acme-prod", "api_token", self.bucket.get_json("acme-prod")["credentials"]["api_token"]), "4711471147114711")

    def test_wrong_place(self):
        self.put_acme(env=self.keys())
        value = self.stored()
        for words in (["integrations", "put", "acme-two", "--file", "-"], ["integrations", "import", "-"]):
            text = value if "put" in words else json.dumps({"acme-two": json.loads(value)})
            _, err = self.call(*words, stdin=text, env=self.keys(), want=1)
            self.assertIn(f"credentials.api_token does not open with key {self.ids[self.first]}: it was sealed for another place than "
                          "acme-two/api_token, or was changed since; put the secret again", err)
        self.assertEqual(self.bucket.keys(), ["acme-prod"])

    def test_key_missing_here(self):
        self.put_acme(env=self.keys())
        out, _ = self.call("integrations", "show", "acme-prod", want=1)
        self.assertIn(f"problem   credentials.api_token is sealed with key {self.ids[self.first]}, and seal.key_file is not set", out)
        out, _ = self.call("integrations", "show", "acme-prod", env=self.keys(self.second), want=1)
        self.assertIn(f"is sealed with key {self.ids[self.first]}; seal.key_file holds {self.ids[self.second]}: set seal.old_key_file", out)
        self.call("integrations", "disable", "acme-prod")
        self.assertFalse(self.bucket.get_json("acme-prod")["enabled"], "the switch needs no key")


class Import(SealTest):
    ITEMS = {"a": {"integration_type": "acme", "settings": {"fqdn": "a.acme.test"}, "credentials": {"api_token": TOKEN}},
             "b": {"integration_type": "acme", "settings": {"fqdn": "b.acme.test"}}}

    def test_import(self):
        secrets = self.workspace.file("secrets.json")
        with open(os.open(secrets, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            json.dump({"b": {"api_token": KEY}}, file)
        words = ["integrations", "import", "-", "--secrets-file", secrets]
        self.call(*words, "--dry-run", stdin=json.dumps(self.ITEMS), env=self.keys())
        self.assertEqual(self.bucket.keys(), [])
        self.call(*words, stdin=json.dumps(self.ITEMS), env=self.keys())
        self.no_secret_in_bucket()
        for name, secret in (("a", TOKEN), ("b", KEY)):
            self.assertEqual(self.opened(self.first, name, "api_token", self.bucket.get_json(name)["credentials"]["api_token"]), secret)
        out, _ = self.call(*words, stdin=json.dumps(self.ITEMS), env=self.keys())
        self.assertEqual(out, "a is there already (revision 1)\nb is there already (revision 2)\n", "the same secret, whatever its seal")
        changed = json.loads(json.dumps(self.ITEMS))
        changed["a"]["credentials"]["api_token"] = TOKEN + "2"
        out, _ = self.call(*words, stdin=json.dumps(changed), env=self.keys(), want=1)
        self.assertIn("a exists with another value: left as it is", out)

    def test_shown_and_imported(self):
        """What `show` prints of a sealed integration is whole: it can be taken back."""
        self.put_acme(env=self.keys())
        shown, _ = self.call("integrations", "show", "acme-prod", "--json", env=self.keys())
        before = self.bucket.get_json("acme-prod")
        self.call("integrations", "remove", "acme-prod", "--yes")
        self.call("integrations", "import", "-", stdin=shown, env=self.keys())
        self.assertEqual(self.bucket.get_json("acme-prod"), before)


class Rotate(SealTest):
    def fill(self):
        self.put_acme("a", env=self.keys())
        self.put_acme("b", "--plain", env=self.keys())
        self.call("integrations", "put", "c", "--type", "acme", "--set", "fqdn=c.acme.test", "--secret", "api_token", "--secret", "signing_key",
                  stdin=f"{TOKEN}\n{KEY}\n", env=self.keys())
        self.bucket.put("no-json", "x")

    def test_rotate(self):
        self.fill()
        out, err = self.call("seal", "--rotate", env=self.keys(self.second, self.first), want=1)
        new = self.ids[self.second]
        self.assertEqual(out, f"a: 1 sealed with key {new} (revision 5)\nb: as it was; 1 not sealed at all: --unsealed seals them\n"
                              f"c: 2 sealed with key {new} (revision 6)\nno-json: the value is no JSON object: put it again\n")
        self.assertIn("1 of 4 could not be sealed anew: keep the old key file until they are", err)
        self.bucket.delete("no-json")
        out, err = self.call("seal", "--rotate", "--unsealed", env=self.keys(self.second, self.first))
        self.assertEqual(out, f"a: as it was\nb: 1 sealed with key {new} (revision 8)\nc: as it was\n")
        self.assertIn(f"nothing in the bucket needs key {self.ids[self.first]} any more", err)
        self.no_secret_in_bucket()
        for name, field, secret in (("a", "api_token", TOKEN), ("b", "api_token", TOKEN), ("c", "api_token", TOKEN), ("c", "signing_key", KEY)):
            self.assertEqual(self.opened(self.second, name, field, self.bucket.get_json(name)["credentials"][field]), secret)
        self.assertEqual(self.bucket.get_json("a")["settings"], {"fqdn": "a.acme.test"})

    def test_old_key_missing(self):
        self.fill()
        self.bucket.delete("no-json")
        before = {key: self.stored(key) for key in self.bucket.keys()}
        out, err = self.call("seal", "--rotate", "--json", env=self.keys(self.second), want=1)
        rows = {row["name"]: row for row in json.loads(out)}
        self.assertEqual(rows["a"]["result"], f"credentials.api_token is sealed with key {self.ids[self.first]}, which is not at hand: set "
                                              "seal.old_key_file to its file, or put the secret again")
        self.assertEqual((rows["b"]["not_sealed"], rows["c"]["sealed_anew"]), (1, 0))
        self.assertIn("2 of 3 could not be sealed anew", err)
        self.assertEqual({key: self.stored(key) for key in self.bucket.keys()}, before, "half a value is not written")

    def test_nobody_loses_a_change(self):
        """Another writer counts in the value while it is sealed anew again and again: each of its numbers stands, the secret opens at the end."""
        self.put_acme("a", env=self.keys())
        stop, numbers = threading.Event(), []

        def count():
            with self.server.connect("counter") as connection:
                bucket = Bucket(JetStream(connection), "INTEGRATIONS")
                while not stop.wait(0.002):
                    entry = bucket.get("a")
                    value = entry.json()
                    value["n"] = value.get("n", 0) + 1
                    try:
                        bucket.update("a", json.dumps(value), entry.revision)
                        numbers.append(value["n"])
                    except ApiError:
                        pass

        thread = threading.Thread(target=count)
        thread.start()
        last, good = self.first, 0
        try:
            for now, old in [(self.second, self.first), (self.first, self.second)] * 6:
                done = subprocess.run([BINARY, "seal", "--rotate"], env=self.environment(**self.keys(now, old)), capture_output=True, timeout=60,
                                      check=False)
                last, good = (now, good + 1) if done.returncode == 0 else (last, good)
        finally:
            stop.set()
            thread.join()
        self.assertTrue(good and numbers, "both had their turn")
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)), "no number was written twice or lost")
        self.assertEqual(self.opened(last, "a", "api_token", self.bucket.get_json("a")["credentials"]["api_token"]), TOKEN)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)

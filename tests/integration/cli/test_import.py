"""`integrations import` and `--from-now` against a real nats-server."""

import datetime
import json
import os
import sys
import unittest

from signaltest.kv import Bucket

from fixture import KEY, TOKEN, CommandTest


def acme(**more):
    return {"integration_type": "acme", "settings": {"fqdn": "a.acme.test"}, "credentials": {"api_token": TOKEN}} | more


def parse(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class ImportTest(CommandTest):
    def write(self, value, name="import.json", mode=0o600):
        path = self.workspace.file(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(value if isinstance(value, str) else json.dumps(value))
        os.chmod(path, mode)
        return path

    def run_import(self, value, *words, **rest):
        return self.call("integrations", "import", self.write(value), *words, **rest)


class Forms(ImportTest):
    def test_object_and_array(self):
        out, err = self.run_import({"a": acme(name="One", poll_interval_minutes=0.5), "b/c": acme(enabled=False)})
        self.assertEqual((out, err), ("a made (revision 1)\nb/c made (revision 2)\n", ""))
        self.assertEqual(self.bucket.get_json("a"), acme(name="One", poll_interval_minutes=0.5))
        out, _ = self.call("integrations", "import", "-", "--prefix", "eu-", "--json", stdin=json.dumps([{"key": "a", **acme(name="Two")}]))
        self.assertEqual(json.loads(out), [{"name": "eu-a", "result": "made", "revision": 3}])
        self.assertEqual(self.bucket.get_json("eu-a"), acme(name="Two"), "without the key")

    def test_what_show_prints(self):
        self.put_acme("a", "--set", "client_id=c-1")
        self.put_acme("b")
        before = {name: self.bucket.get_json(name) for name in ("a", "b")}
        shown = [json.loads(self.call("integrations", "show", name, "--json")[0]) for name in ("a", "b")]
        for value in (shown[0], shown):
            _, err = self.run_import(value, "--prefix", "new-", want=1)
            self.assertIn("a: credentials.api_token holds what `integrations show` prints in a secret's place, not the secret: give it with "
                          "--secrets-file", err)
            self.assertIn("nothing was written", err)
        self.assertEqual(self.bucket.keys(), ["a", "b"])
        secrets = self.write({name: {"api_token": TOKEN} for name in ("a", "b")}, "secrets.json")
        self.run_import(shown, "--prefix", "new-", "--secrets-file", secrets)
        for name in ("a", "b"):
            self.assertEqual(self.bucket.get_json("new-" + name), before[name])
        _, err = self.run_import(json.loads(self.call("integrations", "list", "--json")[0]), want=1)
        self.assertIn("this is what `integrations list --json` prints, which holds no values", err)

    def test_hidden_wherever_it_stands(self):
        for value, where in [(acme(credentials={"api_token": "[set]"}), "credentials.api_token"),
                             (acme(proxy="http://[set]@proxy:3128"), "proxy"),
                             (acme(name="copied [redacted] here"), "name"),
                             (acme(credentials={"api_token": TOKEN, "spare": {"deep": ["x", "[set, 15 characters]"]}}),
                              "credentials.spare.deep[1]")]:
            with self.subTest(where):
                _, err = self.run_import({"x": value}, want=1)
                self.assertIn(f"x: {where} holds what `integrations show` prints", err)
                _, err = self.call("integrations", "put", "x", "--file", "-", stdin=json.dumps(value), want=1)
                self.assertIn(f"{where} holds what `integrations show` prints", err)
        self.assertEqual(self.bucket.keys(), [])

    def test_no_form(self):
        rows = [("{", "it is no valid JSON: line 1"), ("3", "line 1, column 1: '[' or '{' expected"), ("{}", "there is no integration in it"),
                ("[]", "there is no integration in it"), ([acme()], 'element 1 has no "key" that names it'),
                (acme(), "this is one integration without its name: `signal-client integrations put NAME --file FILE`"),
                ('{"a": 1, "a": 2}', "duplicate object key"), ('{"a": {"credentials": {"api_token": "%s" oops' % TOKEN, "it is no valid JSON")]
        for value, text in rows:
            with self.subTest(text):
                _, err = self.run_import(value, want=1)
                self.assertIn(text, err)
                self.assertIn("nothing was written", err)
        _, err = self.call("integrations", "import", "/nowhere.json", want=1)
        self.assertIn("cannot read /nowhere.json: No such file or directory; nothing was written", err)


class Checks(ImportTest):
    def test_all_or_nothing(self):
        values = [{"key": "good", **acme()}, {"key": "no-token", **acme(credentials={})}, {"key": "odd", **acme(integration_type="gone")},
                  {"key": "a..b", **acme()}, {"key": "good", **acme()},
                  {"key": "range", **acme(data_types={"events": {"start": "2999-01-01T00:00:00Z"}})}]
        out, err = self.run_import(values, want=1)
        self.assertEqual(out, "")
        for line in ("no-token: credentials.api_token is missing: give the API token", 'odd: integration_type "gone" is unknown',
                     'a..b: "a..b" cannot be a name', "good: it stands there twice",
                     "range: data_types.events.start lies more than a day in the future",
                     "nothing was written: 5 of 6 integrations are not valid"):
            self.assertIn(line, err)
        self.assertEqual(self.bucket.keys(), [])

    def test_dry_run(self):
        self.put_acme("b")
        out, _ = self.run_import({"a": acme(), "b": acme(name="other")}, "--dry-run", "--replace")
        self.assertEqual(out, "a would be made\nb would be replaced\n")
        self.assertEqual((self.bucket.keys(), self.bucket.get("b").revision), (["b"], 1))

    def test_existing(self):
        self.bucket.put("a", acme())
        self.bucket.put("b", acme())
        out, _ = self.run_import({"a": acme(), "b": acme(name="other"), "c": acme()}, want=1)
        self.assertEqual(out, "a is there already (revision 1)\n"
                              "b exists with another value: left as it is (--replace overwrites it) (revision 2)\nc made (revision 3)\n")
        self.assertEqual(self.bucket.get_json("b"), acme())
        out, _ = self.run_import({"b": acme(name="other")}, "--replace")
        self.assertEqual(out, "b replaced (revision 4)\n")
        self.call("integrations", "remove", "c", "--yes")
        self.assertEqual(self.run_import({"c": acme()})[0], "c made (revision 6)\n")

    def test_secrets_file(self):
        value = {"a": acme(credentials={})}
        secrets = self.write({"a": {"api_token": TOKEN, "signing_key": KEY}}, "secrets.json")
        os.chmod(secrets, 0o644)
        _, err = self.run_import(value, "--secrets-file", secrets, want=1)
        self.assertIn(f"{secrets} can be read by others (mode 0644): `chmod 600 {secrets}` first; nothing was written", err)
        for content, text in [({"x": {"api_token": TOKEN}}, "x is not among the integrations"),
                              ({"a": {"token": TOKEN}}, 'a: acme has no field "token"; it has: fqdn'),
                              ({"a": {"api_token": 5}}, "a.api_token must be a text in quotes"),
                              ({"a": TOKEN}, 'a must be an object {"FIELD": "value"}'), ([TOKEN], 'it must be an object {"NAME"'),
                              ('{"a": %s' % TOKEN, "it is no valid JSON")]:
            _, err = self.run_import(value, "--secrets-file", self.write(content, "secrets.json"), want=1)
            self.assertIn(text, err)
        self.assertEqual(self.bucket.keys(), [])
        self.run_import(value, "--secrets-file", "-", stdin=json.dumps({"a": {"api_token": TOKEN, "signing_key": KEY}}))
        self.assertEqual(self.bucket.get_json("a")["credentials"], {"api_token": TOKEN, "signing_key": KEY})
        _, err = self.call("integrations", "import", "-", "--secrets-file", "-", want=2)
        self.assertIn("cannot both come from standard input", err)


class WithoutBucket(ImportTest):
    make = False

    def test_missing(self):
        _, err = self.run_import({"a": acme()}, want=1)
        self.assertIn("there is no bucket INTEGRATIONS", err)
        _, err = self.run_import({"a": acme()}, "--dry-run", want=1)
        self.assertIn("there is no bucket INTEGRATIONS", err)
        create = {"NATS_CREATE": "true"}
        self.assertEqual(self.run_import({"a": acme()}, "--dry-run", "--from-now", env=create)[0].split(",")[0], "a would be made")
        self.assertFalse(self.bucket.exists(), "looking makes nothing")
        self.assertEqual(self.run_import({"a": acme()}, env=create)[0], "a made (revision 1)\n")
        _, err = self.run_import({"a": acme()}, want=1, env={"NATS_URL": "nats://127.0.0.1:1"})
        self.assertIn("connection refused", err)
        self.assertIn("nothing was written", err)


class FromNow(ImportTest):
    def stamped(self, call):
        before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(milliseconds=1)
        out = call()[0]
        after = datetime.datetime.now(datetime.timezone.utc)
        value = self.bucket.get_json("a")
        start = value["data_types"]["events"]["start"]
        self.assertTrue(before <= parse(start) <= after, (before, start, after))
        self.assertEqual(value["data_types"]["assets"]["start"], start, "every data type has it")
        return out, start, value

    def test_import(self):
        Bucket.make(self.js, "CHECKPOINTS").put("b=2Ec.events", {"v": 1})
        values = {"a": acme(data_types={"assets": False, "events": {"poll_interval_minutes": 7}}), "b.c": acme()}
        out, start, value = self.stamped(lambda: self.run_import(values, "--from-now"))
        self.assertEqual(out, f"a made (revision 1), from {start} on; assets is read whole once\n"
                              f"b.c made (revision 2), from {start} on; assets is read whole once; "
                              "events has a position already and goes on from it\n")
        self.assertEqual(value["data_types"], {"assets": {"enabled": False, "start": start}, "events": {"poll_interval_minutes": 7, "start": start}})
        out, _ = self.run_import(values, "--from-now")
        self.assertEqual(out, "a is there already (revision 1)\nb.c is there already (revision 2)\n", "importing again moves no start")
        self.assertEqual(self.bucket.get_json("a"), value)

    def test_put(self):
        out, start, value = self.stamped(lambda: self.put_acme("a", "--from-now"))
        self.assertEqual(out, f"a made (revision 1), from {start} on; assets is read whole once\n")
        out, start, value = self.stamped(lambda: self.call("integrations", "put", "a", "--file", "-", "--from-now", stdin=json.dumps(acme())))
        self.assertEqual(out, f"a replaced (revision 2), from {start} on; assets is read whole once\n")
        done = json.loads(self.call("integrations", "put", "a", "--from-now", "--json")[0])
        self.assertEqual((done["read_whole"], done["have_positions"], done["revision"]), (["assets"], [], 3))
        self.assertEqual(self.call("integrations", "put", "a", "--name", "A")[0], "a changed (revision 4)\n")
        self.assertEqual(self.bucket.get_json("a")["data_types"]["events"]["start"], done["start"], "a change keeps it")
        shown, _ = self.call("integrations", "show", "a")
        self.assertIn(f"start     the first poll of events begins at {done['start']}\n", shown)
        self.assertIn(f"begins at {done['start']}\n", self.call("integrations", "list")[0])
        self.assertEqual(json.loads(self.call("integrations", "list", "--json")[0])[0]["start"], done["start"])

    def test_start_is_checked(self):
        for start in ("yesterday", 5, "2999-01-01T00:00:00Z"):
            _, err = self.call("integrations", "put", "a", "--file", "-", stdin=json.dumps(acme(data_types={"events": {"start": start}})), want=1)
            self.assertIn("data_types.events.start ", err)
        self.assertEqual(self.bucket.keys(), [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)

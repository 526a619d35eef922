"""Tests of the simulated CrowdStrike Falcon: its data types and their records; run by test_simulator.py."""

import json
import time
import unittest
from urllib.parse import quote, urlencode

from test_base import SimulatorTest, sha256

from vendors import falcon_query

V = "crowdstrike-falcon"
CLIENT = {"client_id": "sim-client", "client_secret": "sim-secret"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ALERTS, ALERT_DETAILS = "/alerts/queries/alerts/v2", "/alerts/entities/alerts/v2"
ALERTS_AT_ONCE = "/alerts/combined/alerts/v1"
SCROLL, DEVICE_DETAILS, HOSTS = "/devices/queries/devices-scroll/v1", "/devices/entities/devices/v2", "/devices/combined/devices/v1"
BY_UPDATE = "updated_timestamp|asc"


def resources(reply):
    """The exact bytes of the envelope's resources, found without knowing the order of the members."""
    text, decoder, found = reply.body.decode(), json.JSONDecoder(), []
    at = 1
    while text[at - 1] != "}":
        name, at = decoder.raw_decode(text, at)
        at += 1
        if name != "resources":
            _, at = decoder.raw_decode(text, at)
        elif text[at] == "[":
            at += 1
            while text[at] != "]":
                _, end = decoder.raw_decode(text, at)
                found.append(text[at:end].encode())
                at = end + (text[end] == ",")
            at += 1
        else:
            at += 4
        at += 1
    return found


class FalconTest(SimulatorTest):
    options = ("alerts=250", "devices=120")

    def setUp(self):
        self.begin(*self.options)

    def begin(self, *options):
        self.start(*(f"{V}.{option}" for option in options), vendors=(V,))
        self.bearer = self.token().json()["access_token"]

    @property
    def vendor(self):
        return self.server.vendors[V]

    def token(self, members=None):
        return self.get(f"/{V}/oauth2/token", FORM, "POST", urlencode(CLIENT if members is None else members))

    def headers(self, **more):
        return {"Authorization": f"Bearer {self.bearer}", **more}

    def ask(self, path, headers=None, **query):
        tail = "?" + urlencode(query, quote_via=quote, safe="|") if query else ""
        return self.get(f"/{V}{path}{tail}", headers if headers is not None else self.headers())

    def tell(self, path, data, kind="application/json"):
        return self.get(f"/{V}{path}", self.headers(**{"Content-Type": kind}), "POST", json.dumps(data))

    def set(self, **changes):
        return self.post(f"{V}/set", changes)["results"]

    def lines(self, data_type, query="?all=1"):
        return [line for line in self.ledger(V, query) if line["type"] == data_type]

    def missing(self, data_type):
        return [line["id"] for line in self.lines(data_type) if line["last"] and not line["offered"]]

    def details(self, ids):
        return self.tell(ALERT_DETAILS, {"composite_ids": ids})

    def walk_alerts(self, limit=100, **query):
        """By offset, as the sheet says: bytes of the details."""
        offset, records = 0, []
        while True:
            reply = self.ask(ALERTS, sort=BY_UPDATE, limit=limit, offset=offset, **query)
            self.assertEqual(reply.status, 200, reply.body)
            ids = reply.json()["resources"]
            if not ids:
                return records
            records += resources(self.details(ids))
            offset += len(ids)

    def walk_devices(self, limit=50, **query):
        offset, records = None, []
        while offset != "":
            reply = self.ask(SCROLL, limit=limit, **query, **({"offset": offset} if offset else {}))
            self.assertEqual(reply.status, 200, reply.body)
            ids = reply.json()["resources"]
            offset = reply.json()["meta"]["pagination"]["offset"]
            if not ids:
                break
            records += resources(self.tell(DEVICE_DETAILS, {"ids": ids}))
        return records

    def walk_hosts(self, limit=50, **query):
        following, records = None, []
        while True:
            reply = self.ask(HOSTS, limit=limit, **query, **({"offset": following} if following else {}))
            self.assertEqual(reply.status, 200, reply.body)
            records += resources(reply)
            following = reply.json()["meta"]["pagination"].get("next")
            if not following:
                return records

    def assertOffered(self, data_type, records, member):
        """The ledger holds exactly these records, in this order."""
        lines = self.lines(data_type, "")
        self.assertEqual([line["sha256"] for line in lines], [sha256(record) for record in records])
        self.assertEqual([line["id"] for line in lines], [identity(record, member) for record in records])
        self.assertTrue(all(line["sent"] and line["whole"] for line in lines))


def identity(record, member="composite_id"):
    data = json.loads(record)
    moment = data["updated_timestamp" if member == "composite_id" else "modified_timestamp"]
    return f"{data[member].replace('~', '=7E')}~{moment}"


class DetectionsTest(FalconTest):
    def test_walk_matches_ledger(self):
        records = self.walk_alerts()
        self.assertEqual(len(records), 250)
        self.assertOffered("detections", records, "composite_id")
        times = [json.loads(record)["updated_timestamp"] for record in records]
        self.assertEqual(times, sorted(times))
        self.assertEqual((self.missing("detections"), self.violations()), ([], []))
        self.assertEqual(len(self.missing("devices")), 120)
        reply = self.ask(ALERTS, limit=10, offset=5)
        self.assertEqual(reply.json()["meta"]["pagination"], {"offset": 5, "limit": 10, "total": 250})
        self.assertEqual(list(reply.json()), ["meta", "resources", "errors"])
        self.assertEqual(list(self.details(reply.json()["resources"]).json()), ["meta", "errors", "resources"])

    def test_records(self):
        records = self.walk_alerts()
        alert = json.loads(records[0])
        self.assertRegex(alert["composite_id"], "^[0-9a-f]{32}:(ind|ods|xdr):[0-9a-f]{32}:")
        self.assertRegex(alert["updated_timestamp"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")
        self.assertGreater(alert["poly_id"], 2 ** 63)
        self.assertIn(alert["device"]["device_id"], alert["composite_id"])
        self.assertTrue(any(not record.isascii() for record in records))
        lengths = [len(identity(record)) for record in records]
        self.assertTrue(min(lengths) <= 128 < max(lengths))

    def test_the_same_seed_and_start_make_the_same_bytes(self):
        seen = []
        for _ in range(2):
            self.begin("alerts=50", "devices=20", "start=1700000000")
            seen.append(sorted((line["id"], line["sha256"]) for line in self.ledger(V, "?all=1")))
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(len(seen[0]), 50 + 20 + 20)

    def test_filter(self):
        times = [json.loads(record)["updated_timestamp"] for record in self.walk_alerts()]
        def total(text):
            reply = self.ask(ALERTS, filter=text, sort=BY_UPDATE)
            self.assertEqual(reply.status, 200, reply.body)
            return reply.json()["meta"]["pagination"]["total"]
        at = times[100]
        self.assertEqual([total(f"updated_timestamp:{operator}'{at}'") for operator in (">", ">=", "<", "<=", "")],
                         [149, 150, 100, 101, 1])
        self.assertEqual(total(f"updated_timestamp:>='{at}'+updated_timestamp:<'{times[110]}'"), 10)
        self.assertEqual(total(f"updated_timestamp:>='{at[:-1]}+00:00'"), 150)
        self.assertEqual(total(f"updated_timestamp:>='{at[:-4]}Z'"), 150)       # microseconds, cut off: before `at`
        self.assertEqual(total(f"updated_timestamp:>='{at}'+updated_timestamp:<'{at}'"), 0)
        created = [json.loads(record)["created_timestamp"] for record in self.walk_alerts()]
        self.assertEqual(total(f"created_timestamp:>'{at}'"), sum(moment > at for moment in created))
        self.assertEqual(self.violations(), [])

    def test_sort(self):
        up = [self.ask(ALERTS, sort=BY_UPDATE, limit=250).json()["resources"]]
        up.append(self.ask(ALERTS, sort="updated_timestamp|desc", limit=250).json()["resources"])
        unsorted = self.ask(ALERTS, limit=250).json()["resources"]
        self.assertEqual(up[0], up[1][::-1])
        self.assertNotEqual(unsorted, up[0])
        self.assertEqual(sorted(unsorted), sorted(up[0]))
        created = self.details(self.ask(ALERTS, sort="created_timestamp|asc", limit=250).json()["resources"]).json()["resources"]
        moments = [record["created_timestamp"] for record in created]
        self.assertEqual(moments, sorted(moments))

    def test_checks(self):
        def refused(status, violation, path=ALERTS, **query):
            self.post(f"{V}/clear", {"violations": True})
            reply = self.ask(path, **query)
            self.assertEqual((reply.status, self.violations()), (status, [violation] if violation else []), query)
            if status >= 400:
                self.assertEqual(reply.json()["errors"][0]["code"], status)
        for bad in ("updated_timestamp:>2026", "updated_timestamp:>'yesterday'", "updated_timestamp:>'2026-01-01T00:00:00'",
                    "nothing:'x'", "updated_timestamp:>'2026-01-01T00:00:00Z'+", "updated_timestamp:>'2026-13-01T00:00:00Z'",
                    "updated_timestamp:>'2026-01-01T00:00:00Z' updated_timestamp:<'2027-01-01T00:00:00Z'"):
            refused(400, "filter", filter=bad)
        for bad in ("updated_timestamp.asc", "updated_timestamp", "updated_timestamp|up", "severity|asc"):
            refused(400, "sort", sort=bad)
        for bad in ("0", "1001", "-1", "x", "10001"):
            refused(400, "limit", limit=bad)
        refused(400, "offset", offset="x")
        refused(400, "depth", offset=9500, limit=501)
        refused(200, None, offset=9500, limit=500)
        refused(200, "query", page=2)
        refused(400, "query", include_hidden="1")
        refused(404, "path", path="/alerts/queries/alerts/v1")
        refused(404, "decommissioned", path="/detects/queries/detects/v1")
        refused(405, "method", path=ALERT_DETAILS)
        refused(405, "method", path=ALERTS_AT_ONCE)
        self.set(depth=100, list_limit=50)
        refused(400, None, offset=80, limit=50)
        refused(400, None, limit=51)

    def test_filter_must_be_encoded(self):
        encoded = quote("updated_timestamp:>'2026-01-01T00:00:00Z'", safe="")
        for raw, wrong in ((encoded, []), (encoded.replace("%3E", ">"), ["encoding"]), (encoded.replace("%27", "'"), ["encoding"])):
            self.post(f"{V}/clear", {"violations": True})
            self.assertEqual(self.get(f"/{V}{ALERTS}?filter={raw}", self.headers()).status, 200)
            self.assertEqual(self.violations(), wrong, raw)
        self.assertEqual(self.get(f"/{V}{ALERTS}?filter={encoded}+{encoded}", self.headers()).status, 400)

    def test_hidden_alerts(self):
        whole = self.ask(ALERTS, limit=250, include_hidden="true").json()["resources"]
        self.assertEqual(len(whole), 250)
        shown = self.ask(ALERTS, limit=250, include_hidden="false").json()
        self.assertEqual(len(shown["resources"]), shown["meta"]["pagination"]["total"])
        hidden = self.details(sorted(set(whole) - set(shown["resources"]))).json()["resources"]
        self.assertTrue(hidden and not any(record["show_in_ui"] for record in hidden))

    def test_details_checks(self):
        ids = self.ask(ALERTS, limit=20).json()["resources"]
        for status, violation, body in (
                (400, "body", {"ids": ids}), (400, "body", {"composite_ids": []}), (400, "body", {"composite_ids": [1]}),
                (400, "body", [ids]), (200, "ids", {"composite_ids": ids[:2] + ids[:1]}), (200, "ids", {"composite_ids": ["x"]}),
                (400, "ids", {"composite_ids": [str(number) for number in range(1001)]}),
                (200, "body", {"composite_ids": ids, "more": 1})):
            self.post(f"{V}/clear", {"violations": True})
            self.assertEqual(self.tell(ALERT_DETAILS, body).status, status, body)
            self.assertIn(violation, self.violations())
        self.post(f"{V}/clear", {"violations": True})
        self.assertEqual(self.tell(ALERT_DETAILS, {"composite_ids": ids}, "text/plain").status, 400)
        self.assertEqual(self.violations(), ["content_type"])

    def test_detail_limit(self):
        self.set(detail_limit=100)
        self.post(f"{V}/clear", {"violations": True})
        ids = self.ask(ALERTS, limit=101).json()["resources"]
        self.assertEqual([self.details(ids).status, self.details(ids[:100]).status], [400, 200])
        self.assertEqual(self.violations(), [])

    def test_details_missing(self):
        self.set(details_missing=10)
        records = self.walk_alerts()
        self.assertEqual(len(records), 225)
        self.assertEqual((self.missing("detections"), self.violations()), ([], []))
        self.assertEqual(len(self.lines("detections")), 225)
        # Updated and asked for again, it is owed again.
        gone = set(self.vendor.fleet.alerts.by_id) - {json.loads(record)["composite_id"] for record in records}
        self.set(details_missing=0, update={"ids": sorted(gone)[:1]})
        self.assertEqual(len(self.missing("detections")), 1)

    def test_detail_order(self):
        ids = self.ask(ALERTS, limit=20).json()["resources"]
        asked = [record["composite_id"] for record in self.details(ids).json()["resources"]]
        self.set(detail_order="reversed")
        turned = [record["composite_id"] for record in self.details(ids).json()["resources"]]
        self.assertEqual((asked, turned), (ids, ids[::-1]))

    def test_update_is_offered_again_at_the_end(self):
        records = self.walk_alerts()
        changed = self.set(update={"count": 3, "which": "first"})["update"]
        self.assertEqual(changed, [json.loads(record)["composite_id"] for record in records[:3]])
        self.assertEqual(len(self.missing("detections")), 3)
        self.assertEqual(self.ask(ALERTS, sort=BY_UPDATE, limit=250).json()["resources"][-3:], changed)
        at = json.loads(records[-1])["updated_timestamp"]
        again = self.walk_alerts(filter=f"updated_timestamp:>'{at}'")
        self.assertEqual([json.loads(record)["status"] for record in again], ["in_progress"] * 3)
        self.assertEqual(self.missing("detections"), [])
        lines = self.lines("detections", "")
        self.assertEqual((len(lines), sum(not line["last"] for line in lines)), (253, 3))

    def test_update_while_a_walk_is_open_shifts_what_is_behind(self):
        self.set(churn={"pages": 1, "updates": 5, "which": "first"})
        self.walk_alerts()
        # Five from the first page moved to the end: the second page began five alerts too late, and nobody saw them.
        self.assertEqual(len(self.missing("detections")), 5)
        self.assertEqual(self.state(V)["churn_left"], 0)

    def test_update_between_list_and_details(self):
        self.set(churn={"pages": 1, "updates": 4, "which": "page"})
        ids = self.ask(ALERTS, sort=BY_UPDATE, limit=250).json()["resources"]
        records = self.details(ids).json()["resources"]
        self.assertEqual(sum(record["status"] == "in_progress" for record in records), 4)
        self.assertEqual(self.missing("detections"), [])
        # The old versions were never served: nobody can have them.
        self.assertEqual(len(self.lines("detections")), 250)

    def test_new_alerts_while_a_walk_is_open(self):
        self.set(churn={"pages": 3, "alerts": 10, "new_devices": 1})
        records = self.walk_alerts()
        self.assertEqual((len(records), self.missing("detections"), self.state(V)["devices"]), (280, [], 123))

    def test_late_alerts(self):
        self.walk_alerts()
        identities = self.set(append={"count": 2, "late_by": 600})["append"]
        listed = self.ask(ALERTS, sort=BY_UPDATE, limit=250, offset=2).json()["resources"]
        self.assertTrue(all(identity in listed[:-10] for identity in identities))

    def test_rate(self):
        self.set(rate=10, clock_skew=0)
        self.set(clock_skew=5)
        self.assertGreaterEqual(self.state(V)["alerts"], 300)
        self.set(rate=0)
        total = self.state(V)["alerts"]
        self.set(clock_skew=10)
        self.assertEqual(self.state(V)["alerts"], total)

    def test_fractions(self):
        self.set(append={"count": 8, "fraction": "mixed"}, update={"count": 8, "which": "last"})
        times = [record["updated_timestamp"] for record in self.details(
            self.ask(ALERTS, sort=BY_UPDATE, limit=8, offset=250).json()["resources"]).json()["resources"]]
        self.assertEqual({len(moment) for moment in times}, {20, 24, 27, 30})
        stamps = list(map(falcon_query.parse_time, times))
        self.assertEqual(stamps, sorted(stamps))
        self.assertEqual(len(self.walk_alerts(filter=f"updated_timestamp:>='{times[0]}'")), 8)
        # Twice in one second: the printed time still moves on.
        self.set(append={"count": 1, "fraction": "s"})
        one = {"ids": self.set(update={"count": 1, "which": "last"})["update"]}
        seen = {self.set(update=one) and self.details(one["ids"]).json()["resources"][0]["updated_timestamp"] for _ in range(3)}
        self.assertEqual(len(seen), 3)

    def test_unusual_json(self):
        self.begin("alerts=60", "shapes=all", "shape_every=3", "style=spaced", "odd_every=4", "devices=40")
        records = self.walk_alerts(limit=20)
        self.assertOffered("detections", records, "composite_id")
        self.assertIn(b"12345678901234567890123", b"".join(records))
        self.assertOffered("devices", self.walk_devices(), "device_id")
        self.assertEqual(self.violations(), [])

    def test_odd_ids(self):
        self.begin("alerts=60", "odd_every=2", "devices=40")
        records = self.walk_alerts(limit=20)
        self.assertOffered("detections", records, "composite_id")
        ids = [json.loads(record)["composite_id"] for record in records]
        for part in ("~a~b", " with a blank", "-Ærø", '-"q\\"'):
            self.assertTrue(any(part in found for found in ids), part)
        self.assertEqual(sum(found.rpartition(":")[2].replace("-", "").isalnum() for found in ids), 30 + sum("Ærø" in i for i in ids))
        self.assertTrue(any(line["id"].endswith("Z") and "=7Ea=7Eb~20" in line["id"] for line in self.lines("detections", "")))
        self.assertEqual(self.violations(), [])

    def test_combined(self):
        after, records = None, []
        while after != "":
            reply = self.tell(ALERTS_AT_ONCE, {"filter": "", "sort": BY_UPDATE, "limit": 100, **({"after": after} if after else {})})
            self.assertEqual(reply.status, 200, reply.body)
            records += resources(reply)
            after = reply.json()["meta"]["pagination"].get("after", "")
        self.assertOffered("detections", records, "composite_id")
        self.assertEqual((len(records), self.violations()), (250, []))
        for bad, code in (({"limit": 1001}, "limit"), ({"limit": "10"}, "limit"), ({"after": "x"}, "unknown_cursor"),
                          ({"sort": 1}, "body")):
            self.post(f"{V}/clear", {"violations": True})
            self.assertEqual(self.tell(ALERTS_AT_ONCE, bad).status, 400)
            self.assertEqual(self.violations(), [code])

    def test_deep_lists_are_refused(self):
        self.begin("alerts=10050", "devices=1")
        reply = self.ask(ALERTS, sort=BY_UPDATE, limit=1000, offset=9000)
        self.assertEqual((len(reply.json()["resources"]), reply.json()["meta"]["pagination"]["total"]), (1000, 10050))
        self.assertEqual(self.ask(ALERTS, sort=BY_UPDATE, limit=1000, offset=9050).status, 400)
        last = self.details(reply.json()["resources"][-1:]).json()["resources"][0]["updated_timestamp"]
        moved = self.ask(ALERTS, sort=BY_UPDATE, limit=1000, filter=f"updated_timestamp:>='{last}'").json()
        self.assertEqual((len(moved["resources"]), moved["meta"]["pagination"]["total"]), (51, 51))
        self.assertEqual(self.state(V)["walks"], {"detections": 2 - 1})


class DevicesTest(FalconTest):
    def test_walk_matches_ledger(self):
        records = self.walk_devices(sort="modified_timestamp.asc")
        self.assertEqual(len(records), 120)
        self.assertOffered("devices", records, "device_id")
        self.assertEqual((self.missing("devices"), self.violations()), ([], []))
        self.assertEqual((len(self.missing("hosts")), self.state(V)["walks"]), (120, {"devices": 1}))
        self.assertRegex(json.loads(records[0])["modified_timestamp"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        moments = [json.loads(record)["modified_timestamp"] for record in records]
        self.assertEqual(moments, sorted(moments))
        self.assertEqual(len(self.walk_devices(filter=f"modified_timestamp:>='{moments[100]}'", sort="modified_timestamp.asc")), 20)

    def test_pagination(self):
        page = self.ask(SCROLL, limit=50).json()["meta"]["pagination"]
        self.assertEqual((list(page), page["total"]), (["total", "offset", "expires_at"], 120))
        self.assertTrue(110 < page["expires_at"] - time.time() <= 120)
        self.assertEqual(self.ask(SCROLL, limit=120).json()["meta"]["pagination"]["offset"], "")

    def test_offset_expires(self):
        offset = self.ask(SCROLL, limit=50).json()["meta"]["pagination"]["offset"]
        self.set(clock_skew=119)
        self.assertEqual(self.ask(SCROLL, limit=50, offset=offset).status, 200)
        self.set(clock_skew=121)
        self.assertEqual(self.ask(SCROLL, limit=50, offset=offset).status, 400)
        offset = self.ask(SCROLL, limit=50).json()["meta"]["pagination"]["offset"]
        self.set(expire_cursors=True)
        self.assertEqual(self.ask(SCROLL, limit=50, offset=offset).json()["errors"][0]["message"], "scroll offset expired")
        self.assertEqual((self.violations(), self.state(V)["expired_cursors"]), ([], 2))
        self.assertEqual(self.ask(SCROLL, offset="never issued").status, 400)
        self.assertEqual(self.violations(), ["unknown_cursor"])

    def test_kinds_of_offsets(self):
        def page(offset=""):
            reply = self.ask(SCROLL, limit=50, **({"offset": offset} if offset else {}))
            data = reply.json()
            return reply.status, data["resources"], (data["meta"].get("pagination") or {}).get("offset")
        _, first, one = page()
        _, second, two = page(one)
        self.assertEqual(page(one)[1], second)
        self.assertTrue(one != two and not set(first) & set(second))
        self.set(scroll_token="once")
        one = page()[2]
        self.assertEqual([page(one)[0], page(one)[0]], [200, 400])
        self.set(scroll_token="same")
        _, first, one = page()
        _, second, two = page(one)
        _, third, end = page(two)
        self.assertEqual((one, end, len(set(first + second + third))), (two, "", 120))
        self.assertEqual(len(self.walk_devices()), 120)
        self.assertEqual(self.violations(), [])

    def test_end_of_a_scroll(self):
        for mode in ("new", "once", "same"):
            self.set(scroll_end="page", scroll_token=mode)
            self.assertEqual(len(self.walk_devices(limit=60)), 120)
        offsets = [""]
        for _ in range(3):
            data = self.ask(SCROLL, limit=60, **({"offset": offsets[-1]} if offsets[-1] else {})).json()
            offsets.append(data["meta"]["pagination"]["offset"])
        self.assertEqual((bool(offsets[2]), offsets[3], data["resources"]), (True, "", []))

    def test_scroll_is_frozen(self):
        self.set(churn={"pages": 2, "modified": 10, "new_devices": 5, "which": "last"})
        records = self.walk_devices(sort="modified_timestamp.asc")
        self.assertEqual(len({json.loads(record)["device_id"] for record in records}), 120)
        self.assertEqual(len(self.missing("devices")), 10)      # the new ones
        self.assertGreaterEqual(sum(json.loads(record)["meta"]["version"] != "1" for record in records), 10)

    def test_modified_in_the_same_second(self):
        ids = self.set(modify=1)["modify"]
        self.tell(DEVICE_DETAILS, {"ids": ids})
        self.set(modify={"ids": ids})
        self.tell(DEVICE_DETAILS, {"ids": ids})
        self.set(modify={"ids": ids, "same_stamp": True})
        self.tell(DEVICE_DETAILS, {"ids": ids})
        lines = self.lines("devices", "")
        self.assertEqual((len({line["id"] for line in lines}), len({line["sha256"] for line in lines})), (2, 3))

    def test_removed_devices(self):
        gone = self.set(remove={"devices": 3})["remove"]
        self.assertEqual((len(self.walk_devices()), self.missing("devices"), self.state(V)["devices"]), (117, [], 117))
        self.assertEqual(self.tell(DEVICE_DETAILS, {"ids": gone}).json()["resources"], [])
        reply = self.get(f"/_sim/{V}/set", {}, "POST", json.dumps({"modify": {"ids": gone}}))
        self.assertEqual(reply.status, 400)

    def test_details_by_get(self):
        ids = self.ask(SCROLL, limit=101).json()["resources"]
        query = "&".join(f"ids={identity}" for identity in ids)
        self.assertEqual(self.get(f"/{V}{DEVICE_DETAILS}?{query}", self.headers()).status, 400)
        reply = self.get(f"/{V}{DEVICE_DETAILS}?{query.rpartition('&')[0]}", self.headers())
        self.assertEqual((reply.status, len(reply.json()["resources"])), (200, 100))
        self.assertEqual(self.violations(), ["ids"])

    def test_checks(self):
        for violation, query in (("sort", {"sort": "modified_timestamp|asc"}), ("limit", {"limit": 5001}),
                                 ("filter", {"filter": "updated_timestamp:>'2026-01-01T00:00:00Z'"})):
            self.post(f"{V}/clear", {"violations": True})
            self.assertEqual((self.ask(SCROLL, **query).status, self.violations()), (400, [violation]))
        self.post(f"{V}/clear", {"violations": True})
        offset = self.ask(SCROLL, limit=50, sort="modified_timestamp.asc").json()["meta"]["pagination"]["offset"]
        self.assertEqual(self.ask(SCROLL, limit=50, offset=offset).status, 200)
        self.assertEqual(self.violations(), ["cursor_mixed"])


class HostsTest(FalconTest):
    def test_walk_matches_ledger(self):
        for sort in ({}, {"sort": "modified_timestamp|asc"}, {"sort": "modified_timestamp.desc"}):
            self.post(f"{V}/clear", {"ledger": True})
            records = self.walk_hosts(**sort)
            self.assertEqual(len(records), 120)
            self.assertOffered("hosts", records, "device_id")
        self.assertEqual((self.missing("hosts"), self.violations()), ([], []))
        self.assertEqual(len(self.missing("devices")), 120)

    def test_pagination(self):
        page = self.ask(HOSTS, limit=119).json()["meta"]["pagination"]
        self.assertEqual(list(page), ["total", "limit", "next"])
        self.assertNotIn("next", self.ask(HOSTS, limit=120).json()["meta"]["pagination"])
        self.set(next_end="empty")
        self.assertEqual(self.ask(HOSTS, limit=120).json()["meta"]["pagination"]["next"], "")

    def test_modified_while_a_walk_is_open(self):
        self.set(churn={"pages": 1, "modified": 5, "which": "first"})
        records = self.walk_hosts(sort="modified_timestamp|asc")
        self.assertEqual((len(records), self.missing("hosts")), (125, []))
        self.assertEqual(len({identity(record, "device_id") for record in records}), 125)

    def test_cursors(self):
        following = self.ask(HOSTS, limit=50).json()["meta"]["pagination"]["next"]
        self.set(expire_cursors=True)
        self.assertEqual((self.ask(HOSTS, limit=50, offset=following).status, self.violations()), (400, []))
        self.assertEqual(self.ask(HOSTS, offset="eA==").status, 400)
        self.assertEqual(self.violations(), ["unknown_cursor"])
        self.set(hosts_sort="pipe")
        self.assertEqual([self.ask(HOSTS, sort=sort).status for sort in ("modified_timestamp|asc", "modified_timestamp.asc")], [200, 400])


class TimeTest(unittest.TestCase):
    def test_times(self):
        at = falcon_query.parse_time("2026-01-02T03:04:05Z")
        self.assertEqual(at, 1767323045 * 10 ** 9)
        for text, more in (("2026-01-02T03:04:05.1Z", 10 ** 8), ("2026-01-02T03:04:05.000000001Z", 1),
                           ("2026-01-02T04:04:05.120+01:00", 12 * 10 ** 7)):
            self.assertEqual(falcon_query.parse_time(text), at + more)
        for text in ("2026-01-02T03:04:05", "2026-01-02", "2026-01-02T03:04:05.Z", "2026-01-02T25:04:05Z", "x", "",
                     "2026-01-02T03:04:05.1234567890Z", "2026-01-02 03:04:05Z"):
            self.assertIsNone(falcon_query.parse_time(text), text)
        self.assertEqual([falcon_query.format_time(at + 123456789, digits) for digits in (0, 3, 6, 9)],
                         [f"2026-01-02T03:04:05{tail}Z" for tail in ("", ".123", ".123456", ".123456789")])


if __name__ == "__main__":
    unittest.main()

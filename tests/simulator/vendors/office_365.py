"""Office 365 Management Activity API: OAuth2, subscriptions, lists of content blobs, and the blobs with their events.

The token endpoint is a host of its own: `auth_url` is the mount `/office-365-login`. Identities in the ledger: `Id` of events, by
data type; one that stands in several blobs is one record. An event is offered when it is in a blob's reply.
"""

import time
from collections import Counter
from types import SimpleNamespace
from urllib.parse import quote

import oauth2
from bodies import Records
from ledger import Served, VersionLedger
from messages import Response, html_response, json_response
from options import Option, OptionError
from vendors.base import Vendor
from vendors.office_content import KINDS, TYPES, Content, stamp
from vendors.office_query import ANONYMOUS, NAMES, TEXTS, BadCall, check_content_id, content_kind, is_guid, parse_path, understand_window
from vendors.okta_events import ALL_SHAPES
from vendors.pacing import Window
from vendors.patience import InFlight, Patience
from vendors.templates import compact, digest, shape_names

LOGIN = "/office-365-login"
TENANT = "41463f53-8812-40f4-890f-865bf6e35190"
RESOURCE = "https://manage.office.com"
MINUTE = 60.0
LONGEST_BACKOFF = 600.0
STREAMED_FROM = 10_000      # events: larger blobs are generated while they are sent
READ, READ_DLP = "ActivityFeed.Read", "ActivityFeed.ReadDlp"
ENABLED, DISABLED = "enabled", "disabled"
METHODS = {"list": "ListSubscriptions", "start": "StartSubscription", "content": "GetAvailableContent", "audit": "GetBlob"}
CODES = {400: "AF20002", 401: "AF10001", 403: "AF10001", 404: "AF20050", 429: "AF429", 500: "AF50000"}
# What does not come from the application itself is HTML.
GATEWAY_TITLES = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


def rules_of(resource):
    """`any`: the scope is not looked at."""
    fixed, optional = (("grant_type", "client_credentials"),), ("scope",)
    if resource != "any":
        fixed, optional = (*fixed, ("scope", f"{resource}/.default")), ()
    return oauth2.Rules("/{tenant}/oauth2/v2.0/token", fixed=fixed, optional=optional, expires_in=3599)


class Office(InFlight, Vendor):
    name = "office-365"
    default_match = {"token_error": "/oauth2/", "expired_cursor": "nextPage=", "af_error": "/activity/feed/"}
    words = {"reply": oauth2.REPLIES, "style": ("vendor", "rfc"), "code": tuple(TEXTS)}
    options_table = oauth2.options(rules_of(RESOURCE)) + (
        # The sheet: two to four blobs at a time; lists of other content types and what a killed client leaves behind beside them.
        Option("max_concurrent", "int", 8, "parallel requests beyond this are violations, answered with 429"),
        Option("tenant", "str", TENANT, "the tenant's GUID; at start only"),
        Option("resource", "str", RESOURCE, "origin of the cloud's API: `<this>/.default` is the scope; any: not looked at; at start only"),
        Option("publisher", "str", "", "GUID that PublisherIdentifier must be; empty: any"),
        Option("permissions", "list", [READ, READ_DLP], "what tokens are good for; without it AF10001"),
        Option("permission_status", "int", 401, "status of AF10001 (unverified)"),
        Option("audit_log", "bool", True, "the unified audit log is on; else the tenant `does not exist`"),
        Option("tenant_fault", "none|AF20010|AF20011|AF20012", "none", "what is wrong with the tenant"),
        Option("subscribed", "list", [TYPES[kind] for kind in TYPES if kind != "general"], "content types with a subscription; at start only"),
        Option("disabled", "list", [TYPES["general"]], "content types whose subscription is disabled; at start only"),
        Option("disabled_start", "works|refused", "works", "whether a disabled subscription can be started again (refused: AF20023)"),
        Option("start_lag", "float", 0.0, "seconds until a started subscription is listed and works"),
        Option("first_content_delay", "float", 0.0, "seconds from a start to the first blobs"),
        Option("start_interval", "float", 900.0, "starting a content type again within so many seconds is a violation"),
        Option("azure_ad", "int", 400, "events at start"), Option("exchange", "int", 400, "the same"), Option("sharepoint", "int", 300, "the same"),
        Option("general", "int", 200, "the same"), Option("dlp", "int", 50, "the same"),
        Option("events_per_blob", "int", 5, "events of a blob, on average"),
        Option("start", "float", 0.0, "contentCreated of the first blobs, epoch seconds; 0: `span` seconds ago"),
        Option("span", "float", 3600.0, "seconds over which the initial blobs are spread"),
        Option("ties", "int", 2, "so many initial blobs in a row have the same contentCreated"),
        Option("rate", "float", 0.0, "new blobs of azure_ad a second from now on"),
        Option("list_lag", "float", 0.0, "blobs are listed up to so many seconds after contentCreated, not in order"),
        Option("duplicate_every", "int", 4, "every n-th blob has two events of the one before, too; 0: none"),
        Option("duplicate_form", "same|changed", "same", "whether such an event has the same bytes"),
        Option("blob_life", "float", 7 * 86400.0, "seconds from contentCreated until a blob has expired"),
        Option("page_size", "int", 100, "blobs on a page of a list"),
        Option("trailing_page", "bool", False, "a last page that is full has a next one, which is empty"),
        Option("page_life", "float", 0.0, "seconds that a NextPageUri is good for; 0: for ever"),
        Option("next_header", "NextPageUri|nextpageuri|NEXTPAGEURI|NextPageUrl", "NextPageUri", "name of the header"),
        Option("next_publisher", "bool", False, "NextPageUri has the PublisherIdentifier"),
        Option("uri_origin", "request|vendor", "request", "origin of NextPageUri and contentUri: where the client asked, or the real API's"),
        Option("uri_api", "v1.0|v1", "v1.0", "version in NextPageUri and contentUri"),
        Option("z_times", "accepted|refused", "accepted", "a Z behind startTime and endTime"),
        Option("window_code", "AF20030|AF20055", "AF20030", "code of a bad window"),
        Option("gone_status", "int", 400, "status of AF20050 and AF20051 (unverified)"),
        Option("rate_limit", "int", 2000, "requests a window of the tenant; beyond: throttled"),
        Option("anonymous_limit", "int", 60, "the same, of requests without PublisherIdentifier, all such clients together"),
        Option("rate_window", "float", MINUTE, "seconds of the sliding windows"),
        Option("throttle_form", "403|429|mixed", "403", "status of AF429"),
        Option("twin_grace", "float", -1.0, "seconds for which the very same request may have been on its way too when one was refused: that of another data type"),
        Option("backoff_first", "float", 30.0, "coming back earlier than this, doubled up to 10 min, is a violation; 0: not looked at"),
        # Of events made from now on:
        Option("style", "compact|pretty|spaced", "compact", "blanks between tokens"),
        Option("shapes", "list", [], f"unusual JSON: all, or of {', '.join(ALL_SHAPES)}"),
        Option("shape_every", "int", 10, "every n-th event has a shape"),
    )
    actions = {name: name for name in ("append", "churn", "expire_cursors", "expire_blobs", "remove_blobs", "disable_subscription",
                                       "drop_subscription", "revoke_tokens", "revoke_client", "reset_window")}

    def __init__(self, seed, texts):
        super().__init__(seed, texts)
        self.oauth = oauth2.TokenEndpoint(self, rules_of(self.options.resource))
        self.replacements = {"token_error": self.oauth.error_reply, "af_error": self.af_error}
        self.reports = {"tokens": lambda: list(self.oauth.log)}
        for content_type in (*self.options.subscribed, *self.options.disabled):
            if content_type not in KINDS:
                raise OptionError(f"no content type {content_type}; there are: {', '.join(KINDS)}")
        self.content = Content(seed, self.options, self.now)
        self.ledger = VersionLedger(self.content.data, self._must_be_offered)
        # Content type: (status, since when it works, epoch seconds).
        self.subscriptions = {name: (DISABLED, 0.0) for name in self.options.disabled}
        self.subscriptions.update((name, (ENABLED, 0.0)) for name in self.options.subscribed)
        self.pages = {}                 # nextPage: (terms, generation, issued, place)
        self.generation = 0             # nextPages of an earlier one are expired
        self.walks = Counter()          # first pages of lists, by data type
        self.fetched = {}               # contentId: pages of the ledger
        self._started = {}              # content type: when it was last started, monotonic
        self._churn = {}
        self._windows = {True: Window(), False: Window()}       # with and without PublisherIdentifier
        self._patience = Patience(LONGEST_BACKOFF)
        self.after_set()

    def mounts(self):
        return (f"/{self.name}", LOGIN)

    # Options and actions.

    def after_set(self):
        self.oauth.learn_clients()
        shape_names(self.options.shapes)
        self.content.set_rate(self.options.rate, self._fed())

    def _fed(self):
        """Data types whose blobs need not wait for a subscription."""
        return {KINDS[name] for name, (status, _) in self.subscriptions.items() if status == ENABLED}

    def append(self, value):
        """Action: new events. A number, or {"type": data type, "count": n, "per_blob": n, "late_by": s, "at": epoch, "style": ...,
        "shapes": [...]}: with `late_by` contentCreated is so long ago, with `at` it is this, though they are seen only now."""
        return self.content.append(value, self._fed())

    def churn(self, value):
        """Action: behind each of the next `pages` pages of a list there are new events of its content type: {"pages": n, "append": n,
        "late_by": s}."""
        unknown = dict(value).keys() - {"pages", "append", "late_by"}
        if unknown:
            raise OptionError(f"churn: no {', '.join(sorted(unknown))}")
        self._churn = dict(value)

    def expire_cursors(self, _value):
        """Action: no NextPageUri given out so far is valid any more."""
        self.generation += 1
        return self.generation

    def expire_blobs(self, value):
        """Action: blobs are expired, and listed still. {"type": data type, "count": n}, the oldest, or {"ids": [...]}."""
        return self._mark(value, "expired")

    def remove_blobs(self, value):
        """Action: blobs are gone, and listed still; as expire_blobs."""
        return self._mark(value, "gone")

    def _mark(self, value, flag):
        blobs = self.content.chosen(value)
        for blob in blobs:
            setattr(blob, flag, True)
        return [blob.identity for blob in blobs]

    def disable_subscription(self, content_type):
        """Action: an administrator disables a subscription."""
        self._known_type(content_type)
        self.subscriptions[content_type] = (DISABLED, 0.0)

    def drop_subscription(self, content_type):
        """Action: there is no subscription any more."""
        self._known_type(content_type)
        self.subscriptions.pop(content_type, None)

    @staticmethod
    def _known_type(content_type):
        if content_type not in KINDS:
            raise OptionError(f"content types: {', '.join(KINDS)}")

    def revoke_tokens(self, _value):
        """Action: all tokens are refused from now on; using one once more is no violation."""
        return self.oauth.revoke_all()

    def revoke_client(self, identity):
        """Action: a client is not accepted any more and its tokens are dead; using it is no violation."""
        self.options.clients = [client for client in self.options.clients if client.partition(":")[0] != identity]
        for token in self.oauth.tokens.values():
            token.revoked = token.revoked or token.client == identity

    def reset_window(self, _value):
        """Action: the windows are empty again, nothing was throttled and no subscription started."""
        for window in self._windows.values():
            window.clear()
        self._patience.clear()
        self._started.clear()
        self._waits.clear()

    # Requests.

    def inspect(self, request, mount):
        path = request.path[len(mount):]
        if mount == LOGIN:
            return self._inspect_token(request, path)
        asked = parse_path(path)
        if asked is None:
            self.violate(request, "path", f"no {path} in the sheet")
            return self.error(404, request)
        request.note.update(step=asked.step)
        if request.method != ("POST" if asked.step == "start" else "GET"):
            self.violate(request, "method", request.method)
            return self.error(405, request)
        complaint = self._patience.complaint(request, self.options.backoff_first, self.options.twin_grace)
        if complaint:
            self.violate(request, "backoff", complaint)
        worth, _ = self.oauth.bearer(request)
        if worth != "good":
            return self.error(401, request)
        try:
            query = self._check_query(request, asked.step)
            refusal = self._spend(request)
            if refusal:
                return refusal
            self._check_tenant(asked)
            if not self.options.audit_log:
                return self._no_such_tenant(request, query)
            self._check_permission(READ)
            request.asked = getattr(self, f"_check_{asked.step}")(request, query, asked)
        except BadCall as bad:
            if bad.code:
                self.violate(request, bad.code, str(bad))
            return self.refuse(request, bad.af, *bad.values)
        return None

    def _inspect_token(self, request, path):
        request.note.update(step="token")
        parts = path.strip("/").split("/")
        if len(parts) != 4 or parts[1:] != ["oauth2", "v2.0", "token"]:
            self.violate(request, "path", f"no {path} in the sheet")
            return self.error(404, request)
        refusal = self.oauth.inspect(request)
        if refusal is None and parts[0].lower() != self.options.tenant.lower():
            request.asked.fault = ("invalid_request", None)
            return self._aad(request, "AADSTS90002", None)
        return refusal

    def _check_query(self, request, step):
        pairs = request.parameters()
        query = dict(pairs)
        if len(query) != len(pairs):
            self.violate(request, "query", "a parameter given twice")
        for name in query.keys() - {*NAMES[step], "PublisherIdentifier"}:
            self.violate(request, "query", f"parameter {name[:40]}")
        publisher = query.get("PublisherIdentifier")
        request.note.update(publisher=publisher or ANONYMOUS, kind=KINDS.get(query.get("contentType")))
        if publisher is None:
            self.violate(request, "publisher", "no PublisherIdentifier")
        elif not is_guid(publisher):
            raise BadCall("publisher", f"PublisherIdentifier {publisher[:60]!r} is no GUID", "AF20002", "PublisherIdentifier", "Guid")
        elif self.options.publisher and publisher.lower() != self.options.publisher.lower():
            self.violate(request, "publisher", f"PublisherIdentifier {publisher} instead of {self.options.publisher}")
        return query

    def _spend(self, request):
        named = request.note["publisher"] != ANONYMOUS
        window, limit = self._windows[named], self.options.rate_limit if named else self.options.anonymous_limit
        if window.wait(request.monotonic, limit, self.options.rate_window) > 0:
            form = self.options.throttle_form
            status = (403, 429)[self.counters["throttles"] % 2] if form == "mixed" else int(form)
            self.counters["throttles"] += 1
            return self.refuse(request, "AF429", METHODS[request.note["step"]], request.note["publisher"], status=status)
        window.take(request.monotonic)
        return None

    def _check_tenant(self, asked):
        if not is_guid(asked.tenant):
            raise BadCall("tenant", f"{asked.tenant[:60]!r} is no GUID", "AF20013", asked.tenant[:60])
        fault = self.options.tenant_fault
        if fault == "none" and asked.tenant.lower() != self.options.tenant.lower():
            raise BadCall("tenant", f"tenant {asked.tenant} with a token of {self.options.tenant}", "AF20010", asked.tenant, self.options.tenant)
        if fault != "none":
            self.counters["refused_tenants"] += 1
            raise BadCall(None, fault, fault, asked.tenant, ANONYMOUS)

    def _check_permission(self, wanted):
        if wanted not in self.options.permissions:
            self.counters["refused_permissions"] += 1
            raise BadCall(None, wanted, "AF10001", " ".join(self.options.permissions), wanted)

    def _check_list(self, _request, _query, _asked):
        return None

    def _check_start(self, request, query, _asked):
        if request.header("Content-Length") is None:
            self.violate(request, "content_length", "a POST without Content-Length")
        if request.body:
            self.violate(request, "body", "a body: webhooks are not for us")
        kind = content_kind(query)
        name, now = TYPES[kind], request.monotonic
        self._check_dlp(kind)
        last = self._started.get(name)
        if last is not None and now - last < self.options.start_interval:
            self.violate(request, "start_again", f"{name} was started {now - last:.0f} s ago")
        self._started[name] = now
        status, _ = self.subscriptions.get(name, (None, 0.0))
        if status == ENABLED:
            raise BadCall(None, name, "AF20024")
        if status == DISABLED and self.options.disabled_start == "refused":
            raise BadCall(None, name, "AF20023", "an administrator")
        return kind

    def _check_dlp(self, kind):
        if kind == "dlp":
            self._check_permission(READ_DLP)

    def _check_content(self, request, query, _asked):
        kind = content_kind(query)
        self._check_dlp(kind)
        window = understand_window(query, self.now(), self.options)
        self._check_subscription(TYPES[kind])
        terms, place = (kind, window.texts), None
        if "nextPage" in query:
            window, place = self._open(query["nextPage"], terms, window)
        request.note.update(low=window.low, high=window.high, first=place is None)
        return SimpleNamespace(kind=kind, window=window, place=place, terms=terms, publisher=request.note["publisher"])

    def _check_subscription(self, name):
        status, since = self.subscriptions.get(name, (None, 0.0))
        if status is None or since > self.now():
            raise BadCall(None, name, "AF20022")
        if status == DISABLED:
            raise BadCall(None, name, "AF20023", "an administrator")

    def _open(self, text, terms, window):
        known = self.pages.get(text)
        if known is None:
            raise BadCall("unknown_cursor", "a nextPage never issued", "AF20031", text[:80])
        if known[0] != terms:
            raise BadCall("window_changed", f"{terms} with a nextPage of {known[0]}", "AF20031", text[:80])
        _, generation, issued, place, low, high = known
        if generation != self.generation or (self.options.page_life and self.now() >= issued + self.options.page_life):
            self.counters["expired_cursors"] += 1
            raise BadCall(None, "nextPage expired", "AF20031", text[:80])
        return window._replace(low=low, high=high), place

    def _check_audit(self, request, _query, asked):
        check_content_id(asked.content_id)
        blob = self.content.by_id.get(asked.content_id)
        if blob is None or blob.visible > self.now():
            raise BadCall("unknown_blob", f"{asked.content_id} was never listed", "AF20050", asked.content_id)
        request.note.update(kind=blob.kind)
        self._check_dlp(blob.kind)
        self._check_subscription(TYPES[blob.kind])
        if blob.gone:
            self.counters["gone_blobs"] += 1
            raise BadCall(None, "gone", "AF20050", asked.content_id)
        if self.content.is_expired(blob):
            self.counters["expired_blobs"] += 1
            raise BadCall(None, "expired", "AF20051", asked.content_id)
        return blob

    # Answers.

    def answer(self, request, mount):
        if mount == LOGIN:
            return self.oauth.answer(request)
        self.content.advance(self._fed())
        return getattr(self, f"_answer_{request.note['step']}")(request, request.asked)

    def _answer_list(self, _request, _asked):
        now = self.now()
        listed = [{"contentType": name, "status": status, "webhook": None} for name, (status, since) in self.subscriptions.items() if since <= now]
        return self._json(listed)

    def _answer_start(self, _request, kind):
        name, now = TYPES[kind], self.now()
        self.subscriptions[name] = (ENABLED, now + self.options.start_lag)
        self.content.enable(kind, now + self.options.first_content_delay)
        self.counters["starts"] += 1
        return self._json({"contentType": name, "status": ENABLED, "webhook": None})

    def _answer_content(self, request, asked):
        low, high = round(asked.window.low * 1000), round(asked.window.high * 1000)
        found = self.content.between(asked.kind, low, high)
        left = found if asked.place is None else [blob for blob in found if (blob.created, blob.identity) > asked.place]
        if asked.place is None:
            self.walks[asked.kind] += 1
        size = max(1, self.options.page_size)
        page, more = left[:size], len(left) > size or (self.options.trailing_page and len(left) == size)
        response = self._json([self._reference(request, blob) for blob in page])
        if more:
            text = f"{time.strftime('%Y%m%d%H', time.gmtime(page[-1].created // 1000))}R{len(self.pages) + 10001:05d}"
            self.pages[text] = (asked.terms, self.generation, self.now(), (page[-1].created, page[-1].identity), asked.window.low,
                                asked.window.high)
            self.last_link = self._next_uri(request, asked, text)
            response.headers.append((self.options.next_header, self.last_link))
        self._change_behind_page(asked.kind)
        return response

    def _root(self, request):
        origin = f"{request.origin()}/{self.name}" if self.options.uri_origin == "request" else self._real_origin()
        return f"{origin}/api/{self.options.uri_api}/{self.options.tenant}/activity/feed"

    def _real_origin(self):
        return RESOURCE if self.options.resource == "any" else self.options.resource

    def _reference(self, request, blob):
        return {"contentType": TYPES[blob.kind], "contentId": blob.identity, "contentUri": f"{self._root(request)}/audit/{blob.identity}",
                "contentCreated": stamp(blob.created), "contentExpiration": stamp(int(self.content.expires(blob) * 1000))}

    def _next_uri(self, request, asked, text):
        pairs = [("contentType", TYPES[asked.kind])]
        if self.options.next_publisher:
            pairs.append(("PublisherIdentifier", asked.publisher))
        if asked.window.texts:
            pairs += zip(("startTime", "endTime"), asked.window.texts)
        query = "&".join(f"{name}={quote(value, safe=':')}" for name, value in [*pairs, ("nextPage", text)])
        return f"{self._root(request)}/subscriptions/content?{query}"

    def _change_behind_page(self, kind):
        if self._churn.get("pages", 0) <= 0:
            return
        self._churn["pages"] -= 1
        self.append({"type": kind, "count": int(self._churn.get("append", 1)), "late_by": float(self._churn.get("late_by", 0.0))})

    def _answer_audit(self, _request, blob):
        served = tuple(Served(event.kind, self.content.event_id(event), event) for event in blob.events)
        page = self.ledger.open(served)
        earlier = self.fetched.setdefault(blob.identity, [])
        self.counters["refetched"] += any(before.whole and not before.spoilt for before in earlier)
        earlier.append(page)
        body = Records(b"[", b",", b"]", len(blob.events), lambda: map(self.content.data, blob.events),
                       streamed=len(blob.events) > STREAMED_FROM)
        return Response(200, [("Content-Type", "application/json; charset=utf-8")], body, page=page, compressible=True)

    @staticmethod
    def _json(data):
        response = json_response(200, compact(data), "application/json; charset=utf-8")
        response.compressible = True
        return response

    # Refusals.

    def refuse(self, request, af, *values, status=None):
        """An error of the API by its code."""
        if status is None:
            status = {"AF10001": self.options.permission_status, "AF20050": self.options.gone_status, "AF20051": self.options.gone_status,
                      "AF429": 429, "AF50000": 500}.get(af, 400)
        if af == "AF429":
            request.note.update(throttled=True)
        values = [*values, ANONYMOUS, ANONYMOUS]
        return json_response(status, compact({"error": {"code": af, "message": TEXTS[af].format(*values)}}), "application/json; charset=utf-8")

    def error(self, status, request):
        if request.note.get("step") == "token":
            kind = "server_error" if status >= 500 else "invalid_client" if status == 401 else "invalid_request"
            return oauth2.rfc_refusal(request, kind, status, None, code=90033 if status >= 500 else 900144)
        if status in GATEWAY_TITLES:
            title = f"{status} - {GATEWAY_TITLES[status]}"
            return html_response(status, f"<html><head><title>{title}</title></head><body><h2>{title}</h2></body></html>\n")
        if status == 401:
            response = json_response(401, b'{"Message":"Authorization has been denied for this request."}', "application/json; charset=utf-8")
            response.set("WWW-Authenticate", "Bearer")
            return response
        if status == 405:
            return json_response(405, b'{"Message":"The requested resource does not support this method."}', "application/json; charset=utf-8")
        values = {429: (METHODS.get(request.note.get("step"), "GetBlob"), request.note.get("publisher", ANONYMOUS)), 403: ("", READ)}
        return self.refuse(request, CODES.get(status, "AF50000"), *values.get(status, (request.path,)), status=status)

    def _no_such_tenant(self, request, query):
        """As the API says that the audit log is off: the code is a text cut off in the middle."""
        self.counters["refused_tenants"] += 1
        own = digest(self.seed, f"correlation/{self.counters['requests']}")
        code = (f"{METHODS[request.note['step']]} [CorrId={own[:8]}-{own[8:12]}-4{own[13:16]}-8{own[17:20]}-{own[20:32]}][TenantId="
                f"{self.options.tenant},ContentType={query.get('contentType', '')},PublisherId={request.note['publisher']}][AppId")
        message = (f"{own[33:40]}-0000-0000-0000-000000000000] failed. Exception: Microsoft.Office.Compliance.Audit.DataServiceException: Tenant"
                   f" {self.options.tenant} does not exist.\r\n   at Microsoft.Office.Compliance.Audit.API.AzureManager.MoveNext()")
        return json_response(400, compact({"error": {"code": code, "message": message}}), "application/json; charset=utf-8")

    def token_refusal(self, request, error, status, description):
        """A refusal of the token endpoint, as Microsoft's identity platform writes it."""
        code = {"invalid_client": "AADSTS7000215", "unauthorized_client": "AADSTS700016", "invalid_scope": "AADSTS1002012"}.get(error)
        if code:
            return self._aad(request, code, status)
        response = oauth2.rfc_refusal(request, error, status, f"AADSTS900144: {description or oauth2.REFUSALS[error][1]}", code=900144)
        response.drop("WWW-Authenticate")
        return response

    def _aad(self, request, code, status):
        error, usual, text = oauth2.AAD[code]
        response = oauth2.rfc_refusal(request, error, status or usual, f"{code}: {text.format(client=request.asked.client or 'unknown')}",
                                      code=int(code.removeprefix("AADSTS")))
        response.drop("WWW-Authenticate")
        return response

    def token_throttled(self, request, seconds):
        return oauth2.rfc_throttled(self, seconds)

    def decorate(self, response, request):
        self.oauth.finish(request, response)
        if request.note.get("step") == "token":
            return
        if request.note.get("throttled"):
            self._patience.refused(request)
        elif response.status == 200:
            self._patience.answered(request)

    def pool(self, request):
        return "token" if request.path.startswith(LOGIN + "/") else "tenant"

    # Misbehaviour of this vendor only.

    def af_error(self, request, code="AF50000", status=0, text=""):
        """Any error of the API; status 0: the usual one. text: what its message is filled with."""
        values = (METHODS.get(request.note.get("step"), "GetBlob"), request.note.get("publisher", ANONYMOUS)) if code == "AF429" else (text,)
        return self.refuse(request, code, *values, status=int(status) or None)

    # State.

    def _must_be_offered(self):
        """The events of blobs that can be fetched now, of content types with a subscription."""
        with self.lock:         # the ledger is read without it
            fed = self._fed()
            self.content.advance(fed)
            found = [(kind, event) for kind in fed for blob in self.content.seen(kind) for event in blob.events]
        return (Served(kind, self.content.event_id(event), event) for kind, event in found)

    def shown(self, target):
        return self.oauth.shown(target)

    def clear(self, what):
        if what.get("tokens"):
            self.oauth.log.clear()

    def details(self):
        self.content.advance(self._fed())
        return {"events": dict(self.content.events), "blobs": {kind: len(shelf) for kind, shelf in self.content.blobs.items()},
                "seen": {kind: len(self.content.seen(kind)) for kind in TYPES}, "walks": dict(self.walks),
                "subscriptions": {name: status for name, (status, _) in self.subscriptions.items()}, "churn_left": self._churn.get("pages", 0),
                **{name: self.counters[name] for name in ("starts", "throttles", "refetched", "expired_blobs", "gone_blobs", "expired_cursors",
                                                          "refused_tenants", "refused_permissions")}, **self.oauth.details()}

    def save(self):
        return {"content": self.content.save(), "oauth": self.oauth.save(), "subscriptions": self.subscriptions, "pages": self.pages,
                "generation": self.generation, "permissions": self.options.permissions}

    def restore(self, saved):
        self.content.restore(saved["content"])
        self.oauth.restore(saved["oauth"])
        self.subscriptions, self.pages, self.generation = saved["subscriptions"], saved["pages"], saved["generation"]
        self.options.permissions = saved["permissions"]


VENDOR = Office

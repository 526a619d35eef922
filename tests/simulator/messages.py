"""HTTP requests as received and replies as they are to be sent."""

import os
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Optional
from urllib.parse import parse_qsl

from bodies import Bytes

REASONS = {
    200: "OK", 201: "Created", 204: "No Content", 301: "Moved Permanently", 302: "Found", 304: "Not Modified",
    307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 411: "Length Required", 415: "Unsupported Media Type",
    429: "Too Many Requests", 431: "Request Header Fields Too Large",
    500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}


def http_date(epoch):
    return formatdate(epoch, usegmt=True)


@dataclass
class Request:
    method: str
    target: str                 # as it stood in the request line
    version: str
    headers: list               # (name, value) in the order received
    body: bytes = b""
    scheme: str = "http"
    connection: int = 0
    monotonic: float = 0.0      # when the head was complete
    wall: float = 0.0
    peer: str = ""              # address of the client
    violations: list = field(default_factory=list)
    note: dict = field(default_factory=dict)    # what the vendor wants to see in the log of requests
    asked: object = None        # what `inspect` understood, for `answer`

    def __post_init__(self):
        self.path, _, self.query = self.target.partition("?")

    def header(self, name):
        """Value of the first header line of this name, or None."""
        name = name.lower()
        return next((value for key, value in self.headers if key.lower() == name), None)

    def parameters(self):
        """Query parameters in order, decoded; a name may come more than once."""
        return parse_qsl(self.query, keep_blank_values=True)

    def origin(self):
        """Scheme and host as the client knows them."""
        return f"{self.scheme}://{self.header('Host') or 'localhost'}"


@dataclass
class Delivery:
    """How a reply travels. Offsets count bytes of the entity, behind the header block."""

    framing: Optional[str] = None       # length, chunked, close; None = length where the size is known
    length_error: int = 0               # added to the true Content-Length
    first_byte_delay: float = 0.0
    stall_at: Optional[int] = None
    stall_seconds: float = 0.0
    bytes_per_second: Optional[int] = None
    cut_at: Optional[int] = None        # end of the connection; -1 = before the status line
    cut_by: str = "close"               # close (FIN) or reset (RST)
    close_silently: bool = False        # close behind a complete reply without having announced it


@dataclass
class Response:
    status: int = 200
    headers: list = field(default_factory=list)
    body: object = field(default_factory=Bytes)
    page: object = None                 # ledger.Page of the records in the body
    wait_until: Optional[float] = None  # vendor time before which the client was told not to come back
    identity_only: bool = False         # never apply a content encoding of our own
    compressible: bool = False          # apply it to a reply without a page too
    no_budget: bool = False             # without the vendor's usual headers about its budget
    delivery: Delivery = field(default_factory=Delivery)

    def header(self, name):
        name = name.lower()
        return next((value for key, value in self.headers if key.lower() == name), None)

    def drop(self, name):
        name = name.lower()
        self.headers = [(key, value) for key, value in self.headers if key.lower() != name]

    def set(self, name, value):
        self.drop(name)
        self.headers.append((name, value))


def note_token(text):
    """A token or session that is given away: a line of the file that SIMULATOR_TOKENS_FILE names, for who looks where it turns up again."""
    path = os.environ.get("SIMULATOR_TOKENS_FILE")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text + "\n")


def json_response(status, data, content_type="application/json"):
    return Response(status, [("Content-Type", content_type)], Bytes(data))


def html_response(status, text):
    return Response(status, [("Content-Type", "text/html; charset=utf-8")], Bytes(text.encode()))


def access_denied_page(request, seed):
    """The HTML page of a content delivery network that blocks an address or an agent."""
    reference = f"18.{seed & 0xffffffff:08x}.{int(request.wall)}.{request.connection:x}"
    return html_response(403, (
        "<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>\n<H1>Access Denied</H1>\n \n"
        f"You don't have permission to access \"{request.path}\" on this server.<P>\n"
        f"Reference&#32;&#35;{reference}\n</BODY>\n</HTML>\n"))

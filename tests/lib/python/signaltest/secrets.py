"""No secret in any output: every secret that a test hands out is registered, every place where outputs lie is named to the workspace, and its
close() searches these for those, in every form in which they could stand there.

Registered by themselves: what is put into bucket INTEGRATIONS as a credential, passwords of nats-servers, keys and sealed values (seal.py), tokens
and sessions that the simulator gave (the newest few). Anything else by `secret(value)`. Searched by themselves: logs and run directories of agents, what
their commands printed, and the files of nats-servers, but for the bucket that holds the credentials; anything else by `Workspace.output(path)`
or `Workspace.note(text)`.
"""

import base64
import json
import mmap
import os
import urllib.parse

LEAST = 6              # bytes: shorter ones are not redacted, as documented
MOST_BYTES = 256 << 20 # of one workspace
NEWEST = 12            # of a file of tokens
SECRET_NAMES = {"api_token", "api_key", "api_secret", "secret_key", "integration_key", "access_key_id", "secret_access_key", "session_token", "client_id",
                "client_secret", "auth_token", "password", "key"}
PLAIN_NAMES = {("splunk", "username")}

_known = {}  # value: where it came from


def secret(value, where="the test"):
    """Registers it; returns it."""
    raw = value.encode() if isinstance(value, str) else bytes(value)
    if len(raw.strip()) >= LEAST:
        _known.setdefault(raw.strip(), where)
    return value


def forget():
    """For tests of this module."""
    _known.clear()


def forms(raw):
    """{form: bytes} in which a secret could stand somewhere. Of base64 what is the same whatever stands around it."""
    found = {"plain": raw, "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode()}
    quoted = urllib.parse.quote_from_bytes(raw, safe="").encode()
    found |= {"percent-encoded": quoted, "percent-encoded with +": quoted.replace(b"%20", b"+"),
              "percent-encoded in lower case": urllib.parse.quote_from_bytes(raw, safe="").replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d").encode()}
    try:
        text = raw.decode()
        found["JSON"] = json.dumps(text)[1:-1].encode()
        found["JSON with \\/"] = found["JSON"].replace(b"/", b"\\/")
        found["JSON in UTF-8"] = json.dumps(text, ensure_ascii=False)[1:-1].encode()
    except UnicodeDecodeError:
        pass
    for shift in range(3):
        first = (shift * 8 + 5) // 6          # the first character that holds no bit of what stands before
        last = (shift + len(raw)) * 8 // 6    # behind the last one that holds none of what follows
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            found[f"{name} at {shift}"] = encode(b"\0" * shift + raw)[first:last]
    return {name: form for name, form in found.items() if len(form) >= LEAST}


def of_integration(value):
    """Registers the credentials of an integration's value, however wrong that may be otherwise."""
    try:
        whole = json.loads(value if isinstance(value, (str, bytes)) else json.dumps(value))
    except ValueError:
        return
    if not isinstance(whole, dict):
        return
    slug = str(whole.get("integration_type")).replace("_", "-")
    for group in ("credentials", "settings"):
        members = whole.get(group)
        for name, text in members.items() if isinstance(members, dict) else ():
            wanted = name in SECRET_NAMES or (group == "credentials" and name == "username" and (slug, name) not in PLAIN_NAMES)
            if wanted and isinstance(text, str) and not text.startswith("sealed:"):
                secret(text, f"{slug} {name}")
    proxy = whole.get("proxy")
    user_info = urllib.parse.urlsplit(proxy).netloc.rpartition("@")[0] if isinstance(proxy, str) and "@" in proxy else ""
    if ":" in user_info:
        secret(urllib.parse.unquote(user_info.partition(":")[2]), f"{slug} proxy")


def of_file(path):
    """Registers the newest lines of a file of tokens."""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file.read().splitlines()[-NEWEST:]:
                secret(line, "a token of the simulator")


def _files(path):
    """The files below it, but for those of the bucket in which credentials stand."""
    if os.path.isfile(path):
        yield path
    for folder, below, names in os.walk(path):
        below[:] = [name for name in below if name != "KV_INTEGRATIONS"]
        for name in names:
            yield os.path.join(folder, name)


def search(paths):
    """What was found, a line each; nothing of a secret is in it."""
    patterns = {form: (name, where) for raw, where in _known.items() for name, form in reversed(forms(raw).items())}
    left, found = MOST_BYTES, []
    for path in dict.fromkeys(file for path in paths for file in _files(path)):
        try:
            size = os.path.getsize(path)
            if not 0 < size <= left:
                continue
            left -= size
            with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                for form, (name, where) in patterns.items():
                    at = data.find(form)
                    if at >= 0:
                        line = data[data.rfind(b"\n", 0, at) + 1:at][-200:]
                        found.append(f"{path}: {where}, {name}, at byte {at}, behind {line!r}")
        except (FileNotFoundError, PermissionError, ValueError):
            continue  # gone meanwhile, or a socket
    return found

"""Mutations of a registered redirect URI (C1): none may match, none may be redirected to.

Each class of real holes has its rows: letter case, encodings, userinfo, host look-alikes, path traversal,
added and removed parts, ports, white space and control characters.
"""

from urllib.parse import quote, urlsplit

EVIL = "evil.example"


def mutations(registered: str) -> dict[str, str]:
    """Return name → mutated URI for a registered ``http(s)://HOST[:PORT]/PATH`` without query, whose
    host is a name: loopback addresses of native clients match with any port.

    Every value differs from *registered*, and matches it for no kind of client.
    """
    parts = urlsplit(registered)
    found = {
        **_schemes(registered, parts.scheme),
        **_hosts(parts.scheme, parts.netloc, parts.path),
        **_userinfo(parts.scheme, parts.netloc, parts.path),
        **_paths(registered, parts.path),
        **_added(registered),
        **_text(registered),
    }
    return {name: uri for name, uri in found.items() if uri != registered}


def _schemes(uri: str, scheme: str) -> dict[str, str]:
    rest = uri.partition(":")[2]
    other = "http" if scheme == "https" else "https"
    return {
        "other scheme": f"{other}:{rest}",
        "scheme in capitals": f"{scheme.upper()}:{rest}",
        "scheme with one capital": f"{scheme.capitalize()}:{rest}",
        "no scheme": rest,
        "no scheme, no slashes": rest[2:],
        "one slash": f"{scheme}:{rest[1:]}",
        "three slashes": f"{scheme}:/{rest}",
        "no slash": f"{scheme}:{rest[2:]}",
        "backslashes": f"{scheme}:{rest.replace('/', chr(92), 2)}",
        "javascript": f"javascript:{rest}",
        "javascript comment": f"javascript://{rest[2:]}%0aalert(1)",
        "data": f"data:text/html,{uri}",
        "blob": f"blob:{uri}",
        "file": f"file:{rest}",
        "view-source": f"view-source:{uri}",
        "private-use scheme": f"com.example.app:{rest}",
    }


def _hosts(scheme: str, netloc: str, path: str) -> dict[str, str]:
    host, colon, port = netloc.partition(":")
    tail = f"{colon}{port}{path}"
    return {
        "foreign host": f"{scheme}://{EVIL}{path}",
        "foreign host with the port": f"{scheme}://{EVIL}{tail}",
        "host in capitals": f"{scheme}://{host.upper()}{tail}",
        "host with one capital": f"{scheme}://{host.capitalize()}{tail}",
        "prefix of a foreign host": f"{scheme}://{host}.{EVIL}{tail}",
        "suffix of a foreign host": f"{scheme}://evil{host}{tail}",
        "subdomain": f"{scheme}://sub.{host}{tail}",
        "trailing dot": f"{scheme}://{host}.{tail}",
        "two trailing dots": f"{scheme}://{host}..{tail}",
        "leading dot": f"{scheme}://.{host}{tail}",
        "ideographic full stop": f"{scheme}://{host}。{EVIL}{tail}",
        "full-width letter": f"{scheme}://{chr(ord(host[0]) + 0xFEE0)}{host[1:]}{tail}",
        "soft hyphen": f"{scheme}://{host[0]}\u00ad{host[1:]}{tail}",
        "encoded letter": f"{scheme}://%{ord(host[0]):02x}{host[1:]}{tail}",
        "encoded NUL after the host": f"{scheme}://{host}%00.{EVIL}{tail}",
        "other port": f"{scheme}://{host}:4444{path}",
        "default port": f"{scheme}://{host}:{443 if scheme == 'https' else 80}{path}",
        "empty port": f"{scheme}://{host}:{path}",
        "port with a leading zero": f"{scheme}://{host}:0{port or 443}{path}",
        "port out of range": f"{scheme}://{host}:99999{path}",
        "port that is no number": f"{scheme}://{host}:80a{path}",
        "port in other digits": f"{scheme}://{host}:４４３{path}",
        "decimal address": f"{scheme}://2130706433{tail}",
        "hexadecimal address": f"{scheme}://0x7f.0.0.1{tail}",
        "short address": f"{scheme}://127.1{tail}",
        "mapped address": f"{scheme}://[::ffff:127.0.0.1]{tail}",
        "no host": f"{scheme}://{path}",
    }


def _userinfo(scheme: str, netloc: str, path: str) -> dict[str, str]:
    host = netloc.partition(":")[0]
    return {
        "user name": f"{scheme}://user@{netloc}{path}",
        "user name and password": f"{scheme}://user:pass@{netloc}{path}",
        "host as user name": f"{scheme}://{netloc}@{EVIL}{path}",
        "host and port as user name": f"{scheme}://{host}:80@{EVIL}{path}",
        "encoded at": f"{scheme}://{netloc}%40{EVIL}{path}",
        "backslash before at": f"{scheme}://{netloc}\\@{EVIL}{path}",
        "hash before at": f"{scheme}://{netloc}#@{EVIL}{path}",
        "question mark before at": f"{scheme}://{netloc}?@{EVIL}{path}",
        "semicolon": f"{scheme}://{netloc};{EVIL}{path}",
        "comma": f"{scheme}://{netloc},{EVIL}{path}",
        "space in the host": f"{scheme}://{netloc} .{EVIL}{path}",
        "tab in the host": f"{scheme}://{netloc}\t.{EVIL}{path}",
    }


def _paths(uri: str, path: str) -> dict[str, str]:
    origin = uri[: len(uri) - len(path)]
    last = path.rstrip("/").rpartition("/")[2] or "x"
    return {
        "no path": origin,
        "root path": f"{origin}/" if path != "/" else f"{origin}/x",
        "path in capitals": f"{origin}{path.upper()}" if path != path.upper() else f"{origin}/X",
        "longer last word": f"{uri}x",
        "shorter last word": uri[:-1],
        "added segment": f"{uri}/evil",
        "trailing slash": f"{uri}/",
        "doubled slash": f"{origin}/{path}",
        "dot segment": f"{origin}/.{path}",
        "traversal": f"{uri}/../evil",
        "traversal and back": f"{origin}/evil/..{path}",
        "encoded traversal": f"{uri}/%2e%2e/evil",
        "doubly encoded traversal": f"{uri}/%252e%252e/evil",
        "overlong encoding": f"{uri}/%c0%ae%c0%ae/evil",
        "traversal with a parameter": f"{uri}/..;/evil",
        "traversal with backslashes": f"{uri}\\..\\evil",
        "encoded slash": f"{uri}%2fevil",
        "encoded letter in the path": uri[:-1] + f"%{ord(uri[-1]):02x}",
        "doubly encoded letter": uri[:-1] + f"%25{ord(uri[-1]):02x}",
        "path parameter": f"{uri};x=1",
        "encoded whole": quote(uri, safe=""),
        "wildcard": f"{origin}/*",
        "wildcard at the end": f"{uri}*",
        "regular expression": f"{origin}/.*",
        "last word as an expression": f"{origin}{path.replace(last, '.' * len(last))}",
    }


def _added(uri: str) -> dict[str, str]:
    return {
        "added query": f"{uri}?x=1",
        "empty query": f"{uri}?",
        "added fragment": f"{uri}#x",
        "empty fragment": f"{uri}#",
        "encoded fragment": f"{uri}%23x",
        "encoded query": f"{uri}%3fx=1",
        "added code": f"{uri}?code=x&state=y",
        "another URI after a space": f"{uri} https://{EVIL}/",
        "another URI after a comma": f"{uri},https://{EVIL}/",
        "another URI after a line end": f"{uri}\nhttps://{EVIL}/",
        "another URI as a parameter": f"{uri}&redirect_uri=https://{EVIL}/",
        "twice": uri + uri,
    }


def _text(uri: str) -> dict[str, str]:
    return {
        "leading space": f" {uri}",
        "trailing space": f"{uri} ",
        "encoded space": f"{uri}%20",
        "plus": f"{uri}+",
        "leading tab": f"\t{uri}",
        "trailing line end": f"{uri}\n",
        "carriage return and line end": f"{uri}\r\nX-Injected: 1",
        "encoded line end": f"{uri}%0d%0aX-Injected:%201",
        "trailing NUL": f"{uri}\0",
        "encoded NUL": f"{uri}%00",
        "byte order mark": f"\ufeff{uri}",
        "no-break space": f"{uri}\u00a0",
        "zero-width space": f"{uri}\u200b",
        "right-to-left mark": f"{uri}\u202e",
        "quotation marks": f'"{uri}"',
        "angle brackets": f"<{uri}>",
        "empty": "",
        "null": "null",
        "only the path": "/" + uri.split("/", 3)[-1],
        "very long": f"{uri}/{'a' * 4000}",
    }


#: what no client may register (req 3), whatever its kind
UNREGISTRABLE = (
    "http://portal.example/callback",
    "https://portal.example/callback#fragment",
    "https://portal.example/callback#",
    "https://*.portal.example/callback",
    "https://portal.example/*",
    "https://user@portal.example/callback",
    "https://user:pass@portal.example/callback",
    "https://portal.example\\callback",
    "https://portal.example/a/../callback",
    "https://portal.example/./callback",
    "https://portal.example/..",
    "https://portal.example/..;/callback",
    "https://portal.example/%2e%2e/callback",
    "https://portal.example/%2E%2e/callback",
    "https://portal.example/a%2fcallback",
    "https://portal.example/a%5ccallback",
    "https://portal.example/%252e%252e/callback",
    "https://portal.example/callback%00",
    "https://portal.example/callback?x=%0d%0a",
    "https://portal.example/call back",
    "https://portal.example/callback\n",
    "https://portal.example/callback%",
    "https://portal.example/callback%zz",
    "https://portal.example:/callback",
    "https://portal.example:0/callback",
    "https://portal.example:080/callback",
    "https://portal.example:65536/callback",
    "https://portal.example:4４3/callback",
    "https://portal.example:8443:8443/callback",
    "https://Portal.example/callback",
    "HTTPS://portal.example/callback",
    "https:/portal.example/callback",
    "https:///callback",
    "https://",
    "https://portal..example/callback",
    "https://portal.example./callback",
    "https://-portal.example/callback",
    "https://portal_.example/callback",
    "https://pörtal.example/callback",
    "https://127.1/callback",
    "https://0x7f.0.0.1/callback",
    "https://127.0.0.0x1/callback",
    "https://[::1/callback",
    "https://[::g]/callback",
    "https://[2001:DB8::1]/callback",
    "https://[::1]x/callback",
    f"https://{'a.' * 130}example/callback",
    f"https://portal.example/{'a' * 2048}",
    "http://localhost.evil.example/callback",
    "http://127.0.0.1.evil.example/callback",
    "http://0.0.0.0/callback",
    "http://127.0.0.2/callback",
    "http://[::2]/callback",
    "javascript:alert(1)",
    "javascript://portal.example/%0aalert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "blob:https://portal.example/x",
    "ftp://portal.example/callback",
    "about:blank",
    "app:/callback",
    "com.example.app://host/callback",
    "com.example.app:callback",
    "com.example.app:/callback#x",
    "com.example.app:/../callback",
    "Com.Example.App:/callback",
    "//portal.example/callback",
    "/callback",
    "callback",
    "",
)

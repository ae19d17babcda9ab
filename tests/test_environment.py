"""What ``make`` does on a machine without the means: a sentence with the remedy, and nothing half-made."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NO_VENV = 'case "$*" in *ensurepip*) exit 1 ;; esac'
TOO_OLD = 'case "$*" in *version_info*) exit 1 ;; esac'


def install(folder: Path, *, interpreter: str | None) -> subprocess.CompletedProcess[str]:
    """Run the installation in an empty checkout whose only Python is a script with this body."""
    (folder / "tools").mkdir(exist_ok=True)
    shutil.copy(ROOT / "tools" / "environment.sh", folder / "tools")
    python = folder / "python"
    if interpreter is not None:
        python.write_text(f"#!/bin/sh\n{interpreter}\n")
        python.chmod(0o700)
    return subprocess.run(
        [folder / "tools" / "environment.sh", "requirements.txt"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(python)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("interpreter", "remedy"),
    [
        (NO_VENV, "cannot make a virtual environment. Remedy: apt install python3-venv"),
        (TOO_OLD, "Python 3.11 or newer is needed. Remedy: apt install python3 python3-venv"),
        (None, "Python 3.11 or newer is needed. Remedy: apt install python3 python3-venv"),
    ],
)
def test_missing_python_is_said_with_the_remedy(tmp_path: Path, interpreter: str | None, remedy: str) -> None:
    """No venv module, or no Python that is new enough: one line, no environment, exit code 1."""
    result = install(tmp_path, interpreter=interpreter)

    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert remedy in result.stderr
    assert not (tmp_path / ".venv").exists()


def test_packages_come_with_hashes_alone(tmp_path: Path) -> None:
    """The environment is made, pip is told to check hashes, and the project itself brings no packages in."""
    venv = tmp_path / ".venv" / "bin"
    note = tmp_path / "calls"
    pip = f'#!/bin/sh\\necho "$*" >> {note}\\n'
    body = f"""
case "$*" in
    *ensurepip* | *version_info* | *--version*) exit 0 ;;
    "-m venv .venv") mkdir -p {venv} && printf '{pip}' > {venv}/python && chmod +x {venv}/python ;;
esac
"""
    result = install(tmp_path, interpreter=body)

    assert result.returncode == 0, result.stderr
    locked, project = [line for line in note.read_text().splitlines() if "pip install" in line]
    assert "--require-hashes --requirement requirements.txt" in locked
    assert "--no-deps --no-build-isolation --editable ." in project

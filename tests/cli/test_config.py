"""``idp config``: what counts, where it comes from, and no secret on the screen."""

import base64
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from idp.cli import cli


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner(env={"LOTSE_CONFIG": "", **environ}).invoke(cli, ["config", *arguments])


def test_show_names_value_and_origin(tmp_path: Path) -> None:
    """Each key is listed with where it was set."""
    path = tmp_path / "lotse.toml"
    path.write_text("[server]\nport = 9000\n")

    result = run("show", "--json", LOTSE_CONFIG=str(path), LOTSE_MODE="demo")

    rows = {row["key"]: (row["value"], row["origin"]) for row in json.loads(result.stdout)}
    assert rows["server.port"] == (9000, f"{path}:2")
    assert rows["mode"] == ("demo", "LOTSE_MODE")
    assert rows["flow.minutes"] == (60, "default")
    assert rows["support.mail"] == (None, "default")
    assert rows["throttle.exempt_networks"] == ([], "default")


def test_show_changed_leaves_out_defaults() -> None:
    """With --changed only what somebody set is listed, as a table for people."""
    result = run("show", "--changed", LOTSE_PRODUCT__NAME="Hafen")

    assert [line.split() for line in result.stdout.splitlines()] == [
        ["KEY", "VALUE", "ORIGIN"],
        ["product.name", "Hafen", "LOTSE_PRODUCT__NAME"],
    ]
    assert run("show", "--changed").stdout == "Every setting has its default.\n"


@pytest.mark.parametrize("form", [("show",), ("show", "--json")])
def test_show_masks_secrets(form: tuple[str, ...]) -> None:
    """No password or key is shown, wherever in a URL it stands (design §7)."""
    key = base64.b64encode(b"geheim".ljust(32)).decode()
    result = run(
        *form,
        LOTSE_KEYS__MASTER_KEY=key,
        LOTSE_DATABASE__URL="postgresql://lotse:geheim@db/lotse?sslpassword=geheim&sslmode=require",
        LOTSE_REDIS__URL="redis://:geheim@redis:6379/0",
    )

    assert result.exit_code == 0
    assert "geheim" not in result.output
    assert key not in result.output
    assert "postgresql://lotse:********@db/lotse?sslpassword=********&sslmode=require" in result.output
    assert "redis://:********@redis:6379/0" in result.output


@pytest.mark.parametrize("form", [("show",), ("show", "--json")])
@pytest.mark.parametrize(
    ("variable", "url", "shown"),
    [
        (
            "DATABASE",
            "postgresql://l2:kY/CANARY9+x=@127.0.0.1/lotse",
            "postgresql://l2:********@127.0.0.1/lotse",
        ),
        ("DATABASE", "postgresql://l2:p@CANARY@db/lotse", "postgresql://l2:********@db/lotse"),
        ("DATABASE", "postgresql://l2:a:CANARY@db/lotse", "postgresql://l2:********@db/lotse"),
        ("DATABASE", "postgresql://l2:a?CANARY@db/lotse", "postgresql://l2:********@db/lotse"),
        ("DATABASE", "postgresql://lotse%3ACANARY@db/lotse", "postgresql://********@db/lotse"),
        (
            "DATABASE",
            "postgresql://db/lotse?password=p@CANARY&user=x",
            "postgresql://db/lotse?password=********",
        ),
        ("REDIS", "redis://:a%2FCANARY@redis", "redis://:********@redis"),
        ("REDIS", "redis://CANARY@redis", "redis://********@redis"),
        ("REDIS", "redis://:p@CANARY@redis", "redis://:********@redis"),
    ],
)
def test_show_masks_whatever_a_password_holds(
    form: tuple[str, ...], variable: str, url: str, shown: str
) -> None:
    """Also what is to be percent-encoded and is not, and who stands before the host alone."""
    result = run(*form, **{f"LOTSE_{variable}__URL": url})
    assert result.exit_code == 0, result.output
    assert shown in result.output
    assert "CANARY" not in result.output


def test_validate_says_every_problem_and_ends_with_5(tmp_path: Path) -> None:
    """Settings that are refused are exit code 5, with every problem on standard error."""
    path = tmp_path / "lotse.toml"
    path.write_text("[server]\nprot = 1\nworkers = 0\n")

    refused = run("validate", LOTSE_CONFIG=str(path))

    assert refused.exit_code == 5
    assert f"{path}:2: server.prot: unknown key; the nearest known one is server.port" in refused.stderr
    assert f"{path}:3: server.workers: must be greater than or equal to 1" in refused.stderr
    for_scripts = run("validate", "--json", LOTSE_CONFIG=str(path))
    assert (for_scripts.exit_code, for_scripts.stderr) == (5, refused.stderr)
    found = json.loads(for_scripts.stdout)["problems"]
    assert [(each["where"], each["key"]) for each in found] == [
        (f"{path}:2", "server.prot"),
        (f"{path}:3", "server.workers"),
    ]
    assert json.loads(run("validate", "--json").stdout)["problems"] == []
    accepted = run("validate")
    assert (accepted.exit_code, accepted.stdout) == (
        0,
        "The settings are sound: mode development, http://localhost:8000.\n",
    )

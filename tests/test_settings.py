"""Settings: order of origins, every problem at once with its place, and the file that documents them."""

import base64
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from idp.settings import Problem, Settings, SettingsError, load, load_settings
from idp.settings.loading import known_keys

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "config.example.toml"
MASTER_KEY = base64.b64encode(bytes(32)).decode()


def write(folder: Path, text: str) -> Path:
    path = folder / "lotse.toml"
    path.write_text(text, "utf-8")
    return path


def problems(
    path: Path | None = None, environ: dict[str, str] | None = None, overrides: dict[str, Any] | None = None
) -> list[Problem]:
    with pytest.raises(SettingsError) as refused:
        load(path, environ or {}, overrides)
    return list(refused.value.problems)


def value_of(settings: Settings, key: str) -> Any:
    value: Any = settings
    for part in key.split("."):
        value = getattr(value, part)
    return value


def test_defaults_need_no_file() -> None:
    """Without any origin the settings are those of a development installation."""
    settings = load_settings(None, {})

    assert settings.mode == "development"
    assert settings.issuer == "http://localhost:8000"
    assert not settings.secure


def test_file_environment_and_flag_overrule_in_that_order(tmp_path: Path) -> None:
    """Default < file < environment < flag (design: Configuration)."""
    path = write(tmp_path, "[server]\nport = 1001\nworkers = 11\nthreads = 12\n")
    environ = {"LOTSE_SERVER__PORT": "1002", "LOTSE_SERVER__THREADS": "22"}

    loaded = load(path, environ, {"server.port": 1003, "server.host": None})

    server = loaded.settings.server
    assert (server.port, server.threads, server.workers, server.host) == (1003, 22, 11, "127.0.0.1")
    assert loaded.origins == {
        "server.port": "command line",
        "server.threads": "LOTSE_SERVER__THREADS",
        "server.workers": f"{path}:3",
    }


def test_environment_names_the_file(tmp_path: Path) -> None:
    """LOTSE_CONFIG is the file where no flag names one; a flag's file replaces it."""
    first = write(tmp_path, 'mode = "demo"\n')
    other = tmp_path / "other.toml"
    other.write_text('[product]\nname = "Other"\n')
    environ = {"LOTSE_CONFIG": str(first)}

    assert load_settings(None, environ).mode == "demo"
    assert load_settings(other, environ).product.name == "Other"
    assert load_settings(other, environ).mode == "development"


def test_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mapping the environment of the process counts."""
    monkeypatch.setenv("LOTSE_PRODUCT__NAME", "Hafen")

    assert load_settings().product.name == "Hafen"


def test_list_in_environment_has_commas() -> None:
    """A list in a variable is written with commas."""
    environ = {"LOTSE_THROTTLE__EXEMPT_NETWORKS": "127.0.0.0/8, ::1"}

    networks = load_settings(None, environ).throttle.exempt_networks

    assert [str(network) for network in networks] == ["127.0.0.0/8", "::1/128"]
    assert load_settings(None, {"LOTSE_SERVER__TRUSTED_PROXIES": ""}).server.trusted_proxies == ()


def test_all_problems_are_said_at_once_with_line_and_nearest_key(tmp_path: Path) -> None:
    """Unknown keys, wrong values and contradictions of all origins are reported in one run."""
    path = write(
        tmp_path,
        """
mode = "production"
publik_url = "https://login.example.de"  # typed wrongly

[server]
prot = 1
port = 99999
trusted_proxies = ["10.0.0.1/8"]
[ databse ]
url = "postgresql://"
[session]
max_sessions = "viele"
memory_kib = 8
[egress]
"allow_loopback" = true
""",
    )
    environ = {"LOTSE_SERVER__HOSTT": "::", "LOTSE_REDIS__URL": "http://redis", "LOTSE_TEST_REQUIRE": "redis"}

    found = {str(problem) for problem in problems(path, environ, {"server.workers": 0})}

    sqlite = "production runs on postgresql://; for one machine, SQLite with database.allow_sqlite = true"
    assert found == {
        f"{path}:3: publik_url: unknown key; the nearest known one is public_url",
        f"{path}:6: server.prot: unknown key; the nearest known one is server.port",
        f"{path}:9: databse: unknown key; the nearest known one is database",
        f"{path}:13: session.memory_kib: unknown key; the nearest known one is password.memory_kib",
        "LOTSE_SERVER__HOSTT: unknown variable; the nearest known one is LOTSE_SERVER__HOST",
        f"{path}:7: server.port: must be less than or equal to 65535",
        f"{path}:8: server.trusted_proxies: 10.0.0.1/8 has host bits set",
        f"{path}:12: session.max_sessions: must be a valid integer, unable to parse string as an integer",
        "LOTSE_REDIS__URL: redis.url: must begin with redis://, rediss:// or unix://",
        "command line: server.workers: must be greater than or equal to 1",
        "default: public_url: production needs https",
        f"default: database.url: {sqlite}",
        "default: mail.host: people prove their address and reset their password by mail: name the server",
        f"{path}:15: egress.allow_loopback: only for development and demo",
    }


def test_unlike_anything_known_has_no_suggestion(tmp_path: Path) -> None:
    """A key that resembles none is refused without a guess."""
    path = write(tmp_path, "zzzzzzzzzzzzzzzz = 1\n")

    assert [str(problem) for problem in problems(path)] == [f"{path}:1: zzzzzzzzzzzzzzzz: unknown key"]


def test_place_of_inline_table_and_dotted_key(tmp_path: Path) -> None:
    """Keys written in one line are reported with that line."""
    path = write(tmp_path, "flow.minutes = 1\nserver = { port = -1, host = 5 }\nkeys = 3\n")

    assert sorted(str(problem) for problem in problems(path)) == [
        f"{path}:1: flow.minutes: must be greater than or equal to 5",
        f"{path}:2: server.host: must be a valid string",
        f"{path}:2: server.port: must be greater than or equal to 0",
        f"{path}:3: keys: must be a section: [keys]",
    ]


@pytest.mark.parametrize(
    ("content", "where", "message"),
    [
        (b"mode = \n", ":1", "is not TOML: Invalid value"),
        (b"[server]\n[server]\n", ":2", "is not TOML: Cannot declare ('server',) twice"),
        (b"[server]\nlist = [1,\n", ":2", "is not TOML: Invalid value"),
        (b"\xff\xfe", "", "is not UTF-8 text"),
    ],
)
def test_unreadable_file_is_said_with_its_line(
    tmp_path: Path, content: bytes, where: str, message: str
) -> None:
    """A file that is no TOML, or no text, is refused with its place, beside the other problems."""
    path = tmp_path / "lotse.toml"
    path.write_bytes(content)

    first, second = problems(path, {"LOTSE_MODE": "fast"})

    assert (first.where, first.message) == (f"{path}{where}", message)
    assert second.key == "mode"


def test_missing_file_is_a_problem(tmp_path: Path) -> None:
    """A file that is named must exist."""
    path = tmp_path / "none.toml"

    assert [str(problem) for problem in problems(path)] == [
        f"{path}: cannot be read: No such file or directory"
    ]


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ({"session.aal1_idle_hours": 48, "session.aal1_days": 1}, "session.aal1_idle_hours"),
        ({"session.aal2_idle_minutes": 90, "session.aal2_hours": 1}, "session.aal2_idle_minutes"),
        ({"tokens.refresh_idle_days": 40}, "tokens.refresh_idle_days"),
        ({"throttle.account_hard_stop": 5}, "throttle.account_hard_stop"),
        ({"egress.trust_ca_file": "/nowhere/ca.pem"}, "egress.trust_ca_file"),
        ({"database.url": "mysql://db"}, "database.url"),
        ({"support.help_url": "javascript:alert(1)"}, "support.help_url"),
        ({"support.mail": "nobody"}, "support.mail"),
        ({"mail.host": "mail.example.de"}, "mail.from_address"),
        ({"mail.host": "mail.example.de:25/x"}, "mail.host"),
        ({"mail.from_address": "Konto <konto@example.de>"}, "mail.from_address"),
        ({"mail.from_name": "Konto\r\nBcc: eve@evil.example"}, "mail.from_name"),
        ({"mail.username": "lotse"}, "mail.password"),
        ({"mail.password": "secret"}, "mail.username"),
        ({"mail.security": "none", "mail.username": "x", "mail.password": "y"}, "mail.security"),
        ({"mail.username": "lotse", "mail.password": ""}, "mail.password"),
        ({"mail.timeout_seconds": 60}, "mail.timeout_seconds"),
        ({"server.trusted_proxies": 5}, "server.trusted_proxies"),
        ({"server.host": "localhost"}, "server.host"),
        ({"server.host": ""}, "server.host"),
        ({"keys.master_key": "not base64!"}, "keys.master_key"),
        ({"keys.master_key": base64.b64encode(bytes(16)).decode()}, "keys.master_key"),
    ],
)
def test_unsound_values_are_refused(overrides: dict[str, Any], key: str) -> None:
    """Values that cannot work, alone or together, are refused at start."""
    assert [problem.key for problem in problems(overrides=overrides)] == [key]


def test_secrets_come_from_mounted_files(tmp_path: Path) -> None:
    """Each secret has a *_file alternative; the line end is not part of it."""
    (tmp_path / "master").write_text(MASTER_KEY + "\n")
    (tmp_path / "database").write_text("postgresql://lotse:geheim@db/lotse\n")
    path = write(tmp_path, '[keys]\nmaster_key_file = "master"\n')

    settings = load_settings(path, {"LOTSE_DATABASE__URL_FILE": str(tmp_path / "database")})

    assert settings.keys.master_key == SecretStr(MASTER_KEY)
    assert settings.database.url == "postgresql://lotse:geheim@db/lotse"


def test_secret_and_its_file_are_alternatives(tmp_path: Path) -> None:
    """Both at once, or a file that is not there, is a problem at the file's place."""
    path = write(tmp_path, f'[keys]\nmaster_key = "{MASTER_KEY}"\nmaster_key_file = "absent"\n')
    both = problems(path)
    path.write_text('[keys]\nmaster_key_file = "absent"\n')
    absent = problems(path)

    assert [str(problem) for problem in both] == [
        f"{path}:3: keys.master_key_file: set this or keys.master_key, not both"
    ]
    assert [str(problem) for problem in absent] == [
        f"{path}:2: keys.master_key_file: cannot read {tmp_path / 'absent'}"
    ]


def test_a_password_file_that_is_empty_is_no_password(tmp_path: Path) -> None:
    """As where a secret was never filled in; a line end is nothing either."""
    (tmp_path / "password").write_text("\n")
    path = write(tmp_path, '[mail]\nusername = "lotse"\npassword_file = "password"\n')
    (problem,) = problems(path)
    assert (problem.key, "empty" in problem.message) == ("mail.password", True)


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    """No secret in a representation or a problem (design §7)."""
    overrides = {"keys.master_key": MASTER_KEY, "database.url": "postgresql://lotse:geheim@db/lotse"}
    settings = load_settings(None, {}, overrides | {"redis.url": "redis://:geheim@redis"})

    assert "geheim" not in repr(settings)
    assert MASTER_KEY not in repr(settings)
    bad = problems(overrides={"keys.master_key": "geheim!", "database.url": "mysql://lotse:geheim@db"})
    assert "geheim" not in "".join(map(str, bad))


def test_relative_paths_in_a_file_belong_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same file means the same keys and database wherever the command is started."""
    monkeypatch.chdir("/")
    path = write(tmp_path, '[keys]\ndirectory = "secret"\n[database]\nurl = "sqlite:///data/lotse.db"\n')

    settings = load_settings(path, {})

    assert settings.keys.directory == tmp_path / "secret"
    assert settings.database.url == f"sqlite:///{tmp_path}/data/lotse.db"
    for url in ("sqlite:////var/lotse.db", "sqlite:///:memory:"):
        path.write_text(f'[database]\nurl = "{url}"\n')
        assert load_settings(path, {}).database.url == url


def test_paths_left_out_belong_to_the_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever leaves a line out has what the example file shows; elsewhere paths are as they are given."""
    monkeypatch.chdir("/")
    path = write(tmp_path, "")
    given = {"LOTSE_KEYS__DIRECTORY": "secret", "LOTSE_DATABASE__URL": "sqlite:///data/lotse.db"}

    loaded = load(None, {"LOTSE_CONFIG": str(path)})
    assert loaded.settings.keys.directory == tmp_path / "keys"
    assert loaded.settings.database.url == f"sqlite:///{tmp_path}/lotse.db"
    assert loaded.origins == {}
    for path_or_none, environ in ((path, given), (None, given), (None, {})):
        settings = load_settings(path_or_none, environ)
        assert settings.keys.directory == Path("secret" if environ else "keys")
        assert settings.database.url == f"sqlite:///{'data/' if environ else ''}lotse.db"


def test_settings_cannot_be_changed() -> None:
    """What a process started with holds until it ends."""
    settings = load_settings(None, {})

    with pytest.raises(ValueError, match="frozen"):
        settings.mode = "demo"
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1


def example_keys(text: str) -> dict[str, str]:
    """Return each key of the example file, commented out or not, with the comment lines above it."""
    found: dict[str, str] = {}
    section = comment = ""
    for line in text.splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section, comment = header[1] + ".", ""
        elif key := re.fullmatch(r"(?:# )?([a-z0-9_]+) = .+", line):
            found[section + key[1]] = comment
        elif line.startswith("#"):
            comment = line
    return found


def test_example_file_documents_every_key_in_order() -> None:
    """``config.example.toml`` has exactly the keys of the settings."""
    assert sorted(example_keys(EXAMPLE.read_text("utf-8"))) == sorted(known_keys())


def test_example_file_says_the_defaults() -> None:
    """Loading the example changes nothing; what is commented out has no default."""
    text = EXAMPLE.read_text("utf-8")
    values = tomllib.loads(text)
    default = load_settings(None, {})

    for key in known_keys():
        section, _, name = key.rpartition(".")
        table = values[section] if section else values
        if name in table:
            written = table[name]
            shown = value_of(default, key)
            assert written == (
                str(shown) if isinstance(shown, Path) else list(shown) if shown == () else shown
            ), key
        else:
            assert value_of(default, key) is None, key


def test_example_file_is_accepted_with_every_line_in_use(tmp_path: Path) -> None:
    """Each example that is commented out is a value the settings take."""
    text = re.sub(r"^# ([a-z0-9_]+ = )", r"\1", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE)
    text = re.sub(
        r"^(url_file|master_key_file|password_file|trust_ca_file) = .*\n", "", text, flags=re.MULTILINE
    )

    assert load_settings(write(tmp_path, text), {}).support.mail == "hilfe@example.de"

"""Secrets come from outside the configuration, from places nobody else reads, and never show."""

import logging
from pathlib import Path

import pytest

from saudagar.app.config import DeskConfig, Secrets, parse
from saudagar.app.errors import ConfigProblems, as_json

CANARY = "eyJhbGciOi-CANARY-31337"
LIVE = """
[desk]
mode = "live"
[secrets]
file = ".env"
[strategies.ema]
kind = "ema_cross"
instruments = ["NSE:RELIANCE"]
size = { quantity = 10 }
"""
PAPER = LIVE.replace('"live"', '"paper"')
ALL = {
    "SAUDAGAR_DHAN_CLIENT_ID": "1100",
    "SAUDAGAR_DHAN_TOKEN": CANARY,
    "SAUDAGAR_UPSTOX_TOKEN": CANARY,
    "SAUDAGAR_KITE_API_KEY": CANARY,
    "SAUDAGAR_KITE_TOKEN": CANARY,
}


@pytest.fixture
def env(tmp_path: Path) -> Path:
    file = tmp_path / ".env"
    file.touch(mode=0o600)
    return file


def read(text: str, env: Path, environ: dict[str, str] | None = None) -> DeskConfig:
    return parse(text, env.parent / "desk.toml", environ or {})


def problems(text: str, env: Path, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        read(text, env, environ)
    assert CANARY not in f"{caught.value} {caught.value.problems} {as_json(caught.value)}"
    return [problem.replace(f"{env.parent}/", "") for problem in caught.value.problems]


def test_the_file_is_read_and_the_environment_wins(env: Path) -> None:
    env.write_text(
        "# a comment\n\nexport SAUDAGAR_DHAN_CLIENT_ID=1100  # mine\n"
        f"SAUDAGAR_DHAN_TOKEN = \"{CANARY}\"\nSAUDAGAR_UPSTOX_TOKEN='old'\nOTHER=x y\n"
    )
    secrets = read(LIVE, env, {"SAUDAGAR_UPSTOX_TOKEN": "new"}).secrets
    assert secrets.dhan_client_id.get_secret_value() == "1100"
    assert secrets.dhan_token.get_secret_value() == CANARY
    assert secrets.upstox_token.get_secret_value() == "new"


def test_nothing_shows_a_secret(env: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = read(LIVE, env, ALL)
    logging.getLogger("test").warning("%s %r", config, config)
    shown = f"{config} {config!r} {config.secrets} {config.secrets.dhan_token} {config.as_dict()} {caplog.text}"
    shown += config.secrets.model_dump_json() + repr(config.secrets.model_dump())
    assert CANARY not in shown
    assert "•••" in shown
    assert repr(Secrets().dhan_token) == "Secret('')"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666, 0o601])
def test_a_file_that_others_can_read_is_not_used(env: Path, mode: int) -> None:
    env.write_text(f"SAUDAGAR_UPSTOX_TOKEN={CANARY}\n")
    env.chmod(mode)
    (problem,) = problems(PAPER, env)
    assert problem.startswith(
        f".env: others on this machine can read it (mode {mode:04o}); it was not used. Run: chmod"
    )


def test_a_missing_or_unreadable_file_is_named(env: Path) -> None:
    env.unlink()
    assert problems(PAPER, env) == [".env: cannot be read: No such file or directory."]
    env.write_bytes(b"\xff\xfe")
    env.chmod(0o600)
    assert problems(PAPER, env) == [".env: cannot be read: it is no UTF-8 text."]


def test_mistakes_in_the_file_have_lines(env: Path) -> None:
    env.write_text(f"SAUDAGAR_UPSTOX_TOKN={CANARY}\n{CANARY}\nSAUDAGAR_DHAN_TOKEN={CANARY} {CANARY}\nSAUDAGAR_X=1\n")
    assert problems(PAPER, env) == [
        ".env:1: SAUDAGAR_UPSTOX_TOKN: unknown secret. Did you mean SAUDAGAR_UPSTOX_TOKEN?",
        ".env:2: expected NAME=value or a # comment.",
        ".env:3: SAUDAGAR_DHAN_TOKEN = •••: holds a blank, a line break or a letter outside ASCII; "
        "it was probably not copied whole.",
        ".env:4: SAUDAGAR_X: unknown secret. Known: SAUDAGAR_DHAN_CLIENT_ID, SAUDAGAR_DHAN_TOKEN, "
        "SAUDAGAR_UPSTOX_TOKEN, SAUDAGAR_KITE_API_KEY, SAUDAGAR_KITE_TOKEN.",
    ]  # fmt: skip


def test_a_broken_token_in_the_environment_is_named(env: Path) -> None:
    (problem,) = problems(PAPER, env, {"SAUDAGAR_UPSTOX_TOKEN": f"{CANARY}\n"})
    assert problem.startswith("environment: SAUDAGAR_UPSTOX_TOKEN = •••: holds a blank")


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (PAPER, "SAUDAGAR_UPSTOX_TOKEN, which is not set"),
        (LIVE, "SAUDAGAR_UPSTOX_TOKEN, SAUDAGAR_DHAN_CLIENT_ID and SAUDAGAR_DHAN_TOKEN, which are not set"),
    ],
)
def test_a_mode_that_needs_secrets_says_which(env: Path, text: str, missing: str) -> None:
    env.write_text("SAUDAGAR_UPSTOX_TOKEN=\n")
    (problem,) = problems(text, env, {"SAUDAGAR_DHAN_TOKEN": ""})
    assert problem.startswith("desk.toml:3: desk.mode = ")
    assert missing in problem


def test_the_simulation_needs_none(env: Path) -> None:
    assert read(PAPER.replace('"paper"', '"simulation"'), env).secrets == Secrets()


@pytest.mark.parametrize(
    "line",
    [f'[secrets]\ndhan_token = "{CANARY}"', f'[data]\naccess_token = "{CANARY}"', f'api_key = ["{CANARY}"]'],
)
def test_a_secret_in_the_configuration_is_refused_and_not_repeated(env: Path, line: str) -> None:
    rest = PAPER.replace('[secrets]\nfile = ".env"\n', "").replace('"paper"', '"simulation"')
    (problem,) = problems(f"{line}\n{rest}", env)
    assert "•••: there is no such key. Secrets do not stand in this file: set SAUDAGAR_" in problem


def test_the_example_names_every_secret_and_holds_none(env: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / ".env.example").read_text()
    env.write_text(text)
    assert read(PAPER.replace('"paper"', '"simulation"'), env).secrets == Secrets()
    assert {line.rstrip("=") for line in text.splitlines() if line.startswith("SAUDAGAR_")} == set(ALL)

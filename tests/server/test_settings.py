from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_server.settings import (
    Entry,
    Settings,
    SettingsError,
    add_flags,
    flags_given,
    load_settings,
    table,
)
from lama_server.settings_page import settings_page

ROOT = Path(__file__).parents[2]


def _load(
    tmp_path: Path, config: str = "", flags: dict[str, object] | None = None, **environ: str
) -> Settings:
    path = tmp_path / "config.toml"
    path.write_text(config, encoding="utf-8")
    return load_settings(environ={"LAMA_FILL_CONFIG": str(path), **environ}, flags=flags)


def test_document_says_what_the_table_says() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == settings_page(), "run: python -m lama_server.settings_page > docs/settings.md"


def test_every_setting_is_in_the_document_and_has_a_flag() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    names = [field.name for field in dataclasses.fields(Settings)]
    assert [entry.name for entry in table()] == names
    for entry in table():
        assert f"| `{entry.name}` |" in settings_page()
        assert entry.flag in parser.format_help()


def test_defaults_are_allowed_values() -> None:
    for entry in table():
        assert entry.check(entry.default, "default") == entry.default


def test_flags_win_over_environment_over_file_over_default(tmp_path: Path) -> None:
    assert _load(tmp_path).queue == Settings().queue
    assert _load(tmp_path, "queue = 5").queue == 5
    assert _load(tmp_path, "queue = 5", LAMA_FILL_QUEUE="6").queue == 6
    assert _load(tmp_path, "queue = 5", {"queue": "7"}, LAMA_FILL_QUEUE="6").queue == 7


def test_flags_not_given_count_for_nothing(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    args = parser.parse_args(["--unload-after", "12.5", "--preload", "no"])
    settings = _load(tmp_path, "queue = 5", flags_given(args))
    assert (settings.unload_after, settings.preload, settings.queue) == (12.5, False, 5)


def test_file_need_not_exist_unless_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load_settings(environ={}) == Settings()
    with pytest.raises(SettingsError, match="no such file"):
        load_settings(environ={"LAMA_FILL_CONFIG": str(tmp_path / "missing.toml")})


def test_users_own_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "lama-fill").mkdir()
    (tmp_path / "lama-fill" / "config.toml").write_text("port = 4711")
    assert load_settings(environ={}).port == 4711


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("queue = 0", "config.toml: queue cannot be 0; allowed: a whole number from 1 to 10000"),
        ("queue = 1.5", "cannot be 1.5"),
        ('queue = "many"', "cannot be 'many'"),
        ("queue = true", "cannot be True"),
        ("queue = [1]", r"cannot be \[1\]"),
        ("preload = 1", "cannot be 1; allowed: true or false"),
        ("unload_after = nan", "cannot be nan"),
        ("unload_after = inf", "cannot be inf"),
        ('log_level = "loud"', "allowed: debug, info, warning or error"),
        ('device = "gpu"', "allowed: auto, cpu, cuda"),
        ('device = "cpu;rm"', "allowed: auto"),
        ('model = "../../etc"', "allowed: a model's name"),
        ("qeue = 3", "'qeue' is not a setting; did you mean queue"),
        ("colour = 3", "'colour' is not a setting; docs/settings.md"),
        ("queue = ", "not valid TOML"),
    ],
)
def test_bad_value_in_the_file(tmp_path: Path, config: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as failure:
        _load(tmp_path, config)
    assert "\n" not in str(failure.value)


def test_bad_value_elsewhere_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="environment variable LAMA_FILL_PORT: port cannot be '70000'"):
        _load(tmp_path, LAMA_FILL_PORT="70000")
    with pytest.raises(SettingsError, match="--ping-interval: ping_interval cannot be 'often'"):
        _load(tmp_path, flags={"ping_interval": "often"})


def test_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(environ={"LAMA_FILL_CONFIG": str(path)})


@given(st.sampled_from(table()), st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none()))
def test_any_value_is_right_or_refused_in_one_line(entry: Entry, value: object) -> None:
    refused = ""
    try:
        result = entry.check(value, "somewhere")
    except SettingsError as error:
        refused = str(error)
    if refused:
        assert refused.startswith("somewhere: ")
        assert "\n" not in refused
    else:
        assert isinstance(result, (entry.kind, int))
        assert entry.check(result, "again") == result

"""The file of users: private, whole, and taken up while the server runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_core.client.protocol.user_proof import verifier
from lama_server.shared.users import (
    User,
    UserBook,
    UserLimits,
    UsersError,
    new_user,
    read_users,
    write_users,
)


def user(name: str, token: str = "t" * 43, **limits: int) -> User:
    return new_user(name, verifier(token, name), certificate=False, limits=limits)


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,20}", fullmatch=True),
        st.tuples(
            st.booleans(),
            st.dictionaries(st.sampled_from(["running", "waiting", "memory_mib"]), st.integers(0, 1 << 20)),
        ),
        max_size=5,
    )
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, found: Any) -> None:
    path = tmp_path_factory.mktemp("users") / "users.json"
    users = {
        name: new_user(
            name, None if certificate else verifier("t" * 43, name), certificate=certificate, limits=limits
        )
        for name, (certificate, limits) in found.items()
    }
    write_users(path, users)
    assert read_users(path) == users
    assert path.stat().st_mode & 0o777 == 0o600
    assert "t" * 43 not in path.read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "users.json"
    write_users(path, {"anna": user("anna")})
    path.chmod(mode)
    with pytest.raises(UsersError, match="chmod 600"):
        read_users(path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    write_users(tmp_path / "other.json", {})
    (tmp_path / "users.json").symlink_to(tmp_path / "other.json")
    with pytest.raises(UsersError):
        read_users(tmp_path / "users.json")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"users": []}',
        '{"users": {"a b": {}}}',
        '{"users": {"anna": {"stored_key": "00", "server_key": "00"}}}',
        '{"users": {"anna": {"stored_key": null, "server_key": "' + "00" * 32 + '"}}}',
        '{"users": {"anna": {"certificate": 1}}}',
        '{"users": {"anna": {"limits": {"running": -1}}}}',
        '{"users": {"anna": {"limits": {"running": true}}}}',
    ],
)
def test_a_file_of_something_else_is_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "users.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(UsersError, match="is not a file of users"):
        read_users(path)


def test_a_book_says_whose_proof_is_good_no_longer(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    common = UserLimits(running=1, waiting=2, memory_mib=3)
    book = UserBook(path, common)
    assert len(book) == 0
    write_users(path, {name: user(name) for name in ("anna", "bert", "carl")})
    assert book.refresh() == set()
    write_users(
        path,
        {"anna": user("anna", "u" * 43), "bert": user("bert", waiting=9), "dora": user("dora")},
    )
    assert book.refresh() == {"anna", "carl"}, "rotated, and removed; another limit revokes nothing"
    assert book.refresh() is None
    assert book.limits("bert") == UserLimits(running=1, waiting=9, memory_mib=3)
    assert book.limits("carl") == common
    path.write_text("{")
    with pytest.raises(UsersError):
        book.refresh()
    assert book.find("dora") is not None, "a broken file locks nobody out"
    os.unlink(path)
    assert book.refresh() == {"anna", "bert", "dora"}


def test_keys_of_a_later_version_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    write_users(path, {"anna": user("anna")})
    content = json.loads(path.read_text())
    content["users"]["anna"]["colour"] = "green"
    path.write_text(json.dumps(content))
    assert read_users(path)["anna"].name == "anna"

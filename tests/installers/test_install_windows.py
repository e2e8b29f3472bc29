"""installers/install.ps1, read as PowerShell reads it.

No Windows and no PowerShell is at hand where these tests usually run, so nothing here executes the script: a
grammar of the language parses it, and what it calls, reads and says to `lama-fill` is looked up.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

import lama_cli

SCRIPT = Path(__file__).resolve().parents[2] / "installers" / "install.ps1"

#: Of Windows PowerShell 5.1, which every Windows has; names are not case-sensitive.
CMDLETS = {
    "convertfrom-json", "foreach-object", "get-childitem", "get-command", "join-path", "out-file", "out-host",
    "read-host", "remove-item", "select-object", "split-path", "test-path", "where-object", "write-host",
}  # fmt: skip
PROGRAMS = {"py", "python", "nvidia-smi"}
AUTOMATIC = {"$_", "$true", "$false", "$lastexitcode", "$matches", "$psscriptroot", "$erroractionpreference"}


def parse(source: bytes) -> Node:
    return Parser(Language(tree_sitter_powershell.language())).parse(source).root_node


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


def texts(node: Node, *kinds: str) -> list[str]:
    return [found.text.decode() for found in walk(node) if found.type in kinds]


@pytest.fixture(scope="module")
def tree() -> Node:
    return parse(SCRIPT.read_bytes())


def test_it_parses(tree: Node) -> None:
    assert not tree.has_error
    assert parse(SCRIPT.read_bytes().replace(b"function Uninstall {", b"function Uninstall ")).has_error


def test_an_old_powershell_reads_the_same_letters() -> None:
    # Without a mark at its beginning a script is read in the code page of the country.
    assert SCRIPT.read_bytes().isascii()


def test_it_calls_only_what_there_is(tree: Node) -> None:
    functions = {name.lower() for name in texts(tree, "function_name")}
    called = {name.lower() for name in texts(tree, "command_name")}
    assert {"uninstall", "invoke-step", "invoke-needed", "find-torch"} <= called, "the grammar finds calls"
    assert called <= functions | CMDLETS | PROGRAMS
    assert functions <= called, "none is left over"


def test_a_function_is_there_before_it_is_called(tree: Node) -> None:
    """PowerShell makes a function when it comes to its text, so the order of the file counts."""
    made: dict[str, int] = {}
    bodies: dict[str, set[str]] = {}
    for node in walk(tree):
        if node.type == "function_statement":
            name = texts(node, "function_name")[0].lower()
            made[name] = node.start_byte
            bodies[name] = {call.lower() for call in texts(node, "command_name")}
    for node in walk(tree):
        if node.type != "command_name" or _inside_function(node):
            continue
        needed, looked = {node.text.decode().lower()} & made.keys(), set()
        while needed - looked:
            name = (needed - looked).pop()
            looked.add(name)
            needed |= bodies[name] & made.keys()
        for name in needed:
            assert made[name] < node.start_byte, f"{name} is called before it is there"


def _inside_function(node: Node) -> bool:
    parent = node.parent
    while parent is not None and parent.type != "function_statement":
        parent = parent.parent
    return parent is not None


def test_every_variable_gets_a_value(tree: Node) -> None:
    given = set(AUTOMATIC)
    for node in walk(tree):
        if node.type in ("left_assignment_expression", "script_parameter"):
            given |= {name.lower() for name in texts(node, "variable")}
        if node.type == "foreach_statement":
            given.add(next(text.lower() for text in texts(node, "variable")))
    read = {name.lower().replace("@", "$") for name in texts(tree, "variable")}
    assert {"$environment", "$project", "$torchwords"} <= read
    assert {name for name in read if not name.startswith("$env:")} <= given


def test_every_option_is_documented_and_the_same_elsewhere(tree: Node) -> None:
    (param,) = [node for node in walk(tree) if node.type == "param_block"]
    names = [name.removeprefix("$") for name in texts(param, "variable") if name.lower() not in AUTOMATIC]
    assert names[0] == "Action"
    head = SCRIPT.read_text().partition("param(")[0]
    shell = SCRIPT.with_suffix(".sh").read_text()
    docs = (SCRIPT.parents[1] / "docs" / "install.md").read_text()
    for name in names[1:]:
        option = "-" + re.sub(r"(?<=[a-z])([A-Z])", r"-\1", name).lower()
        assert f"-{name}" in head
        assert f"-{option}" in shell, "install.sh has it too"
        assert name == "RemoveModels" or f"`-{name}" in docs


def test_what_it_says_to_lama_fill_is_understood(tree: Node) -> None:
    """Every fixed list of words that goes to the command is one that its own parser takes."""
    parser = lama_cli.build_parser()
    said = 0
    for node in walk(tree):
        if node.type != "command" or "$command" not in texts(node, "variable"):
            continue
        if texts(node, "command_name")[:1] not in (["Invoke-Step"], ["Invoke-Needed"]):
            continue
        words = []
        for array in (found for found in walk(node) if found.type == "array_expression"):
            words += [
                "big-lama" if word.startswith("$") else word.strip("'")
                for word in texts(array, "verbatim_string_characters", "variable")
            ]
        assert isinstance(parser.parse_args(words), argparse.Namespace), words
        said += 1
    assert said >= 9

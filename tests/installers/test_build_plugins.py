"""The archives: the same bytes every time, nothing compiled, and everything in them that is needed."""

from __future__ import annotations

import gettext
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest

from installers import build_plugins
from installers.build_plugins import PLUGINS, BuildError, PlugIn, build, version


@pytest.fixture(scope="module")
def wheels() -> Mapping[str, bytes]:
    return build_plugins.fetch_wheels()


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_the_same_commit_gives_the_same_bytes(name: str, wheels: Mapping[str, bytes], tmp_path: Path) -> None:
    first, second = (build(PLUGINS[name], tmp_path / place, wheels) for place in ("one", "two"))
    assert first.name == f"lama-fill-{name}-{version()}.zip"
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_translations_do_not_say_when_they_were_compiled(
    name: str, wheels: Mapping[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    with zipfile.ZipFile(build(PLUGINS[name], tmp_path, wheels)) as archive:
        compiled = [name for name in archive.namelist() if name.endswith(".mo")]
        assert len(compiled) >= 6
        for file in compiled:
            info = gettext.GNUTranslations(BytesIO(archive.read(file))).info()
            assert info["pot-creation-date"].startswith("2001-09-09"), file
            assert info["po-revision-date"].startswith("2001-09-09"), file


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_what_is_inside(name: str, wheels: Mapping[str, bytes], tmp_path: Path) -> None:
    plugin = PLUGINS[name]
    with zipfile.ZipFile(build(plugin, tmp_path, wheels)) as archive:
        names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
        assert names == sorted(names)
        assert not [name for name in names if name.endswith((".so", ".pyd", ".pyc", ".po"))]
        for wanted in (
            "lama_core/client/connection/client.py",
            "websockets/sync/client.py",
            "msgpack/fallback.py",
        ):
            assert f"{plugin.private}/{wanted}" in names
        for wanted in ("websockets/LICENSE", "msgpack/COPYING"):
            assert f"{plugin.private}/{wanted}" in names
        for entry in archive.infolist():
            run_bit = bool((entry.external_attr >> 16) & 0o100)
            assert entry.is_dir() or run_bit == (entry.filename in plugin.executable), entry.filename


def test_the_client_works_from_an_archive_alone(wheels: Mapping[str, bytes], tmp_path: Path) -> None:
    """Imported by a Python that has nothing else, without the compiled parts of what it brings."""
    with zipfile.ZipFile(build(PLUGINS["gimp"], tmp_path, wheels)) as archive:
        archive.extractall(tmp_path)
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path / PLUGINS['gimp'].private)!r}]; "
        "import lama_core.client.connection, lama_core.client.selection, msgpack, websockets.sync.client; "
        "assert msgpack.unpackb(msgpack.packb({'a': b'b'})) == {'a': b'b'}; "
        "assert not {'numpy', 'torch', 'msgpack._cmsgpack'} & set(sys.modules); "
        "print(lama_core.client.connection.__file__, msgpack.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(path.startswith(str(tmp_path)) for path in done.stdout.split())


def test_a_file_that_is_not_there(wheels: Mapping[str, bytes], tmp_path: Path) -> None:
    wrong = PlugIn(
        name="gimp",
        folders={"plugin_gimp/lama-fill": "lama-fill"},
        private="lama-fill/private",
        license="lama-fill/LICENSE",
        executable=frozenset({"lama-fill/other.py"}),
    )
    with pytest.raises(BuildError, match=r"other\.py"):
        build(wrong, tmp_path, wheels)

"""What makes a Flatpak extension of GIMP's plug-in: manifest and AppStream metadata, as in a release."""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from installers import build_plugins
from lama_cli.editors.finding import EXTENSION
from tests.installers.extension import build_extension

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "installers"))
import flatpak_extension  # noqa: E402 - a script's neighbour, as the release's own script imports it

LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Flatpak is for Linux")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("a release")
    archive = build_plugins.build(build_plugins.PLUGINS["gimp"], out, build_plugins.fetch_wheels())
    flatpak_extension.write(out, archive)
    return out


@pytest.fixture
def manifest(release: Path) -> Path:
    return release / f"{flatpak_extension.NAME}.json"


@pytest.fixture
def metainfo(release: Path) -> Path:
    return release / f"{flatpak_extension.NAME}.metainfo.xml"


def test_it_goes_where_gimps_flatpak_looks(manifest: Path) -> None:
    content = json.loads(manifest.read_text())
    assert content["id"] == flatpak_extension.NAME == EXTENSION, "what the doctor looks for"
    assert content["build-extension"] is True
    # GIMP's extension point: the branch is that of its interface, and each extension has a folder.
    assert (content["runtime"], content["branch"]) == ("org.gimp.GIMP", "3")
    assert content["build-options"]["prefix"] == "/app/extensions/" + content["id"].rpartition(".")[2]


def test_it_needs_no_network(manifest: Path) -> None:
    content = json.loads(manifest.read_text())
    for source in content["modules"][0]["sources"]:
        assert "url" not in source
        assert (manifest.parent / source["path"]).is_file()
    assert "--share" not in manifest.read_text()


def test_it_builds(manifest: Path, tmp_path: Path) -> None:
    work, built = tmp_path / "work", tmp_path / "built"
    work.mkdir()
    build_extension(manifest, work, built)
    plugin = built / "plug-ins" / "lama-fill"
    assert (plugin / "lama-fill.py").stat().st_mode & 0o111
    assert (plugin / "private/lama_core/client/connection/client.py").is_file()
    # An extension is read-only: what is not compiled now would be compiled at every fill.
    assert list((plugin / "private/lama_core/client/connection/__pycache__").glob("client.*.pyc"))
    assert (built / "share/licenses/lama-fill/LICENSE").is_file()
    assert (built / f"share/metainfo/{flatpak_extension.NAME}.metainfo.xml").is_file()


@pytest.mark.skipif(shutil.which("flatpak-builder") is None, reason="flatpak-builder reads the manifest")
def test_flatpak_builder_knows_every_word(manifest: Path) -> None:
    done = subprocess.run(
        ["flatpak-builder", "--show-manifest", str(manifest)],
        cwd=manifest.parent,  # where it leaves a cache
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == json.loads(manifest.read_text())


def test_what_software_centres_show(metainfo: Path) -> None:
    component = ElementTree.fromstring(metainfo.read_bytes())
    assert component.tag == "component"
    assert component.get("type") == "addon"
    assert component.findtext("id") == metainfo.name.removesuffix(".metainfo.xml")
    assert component.findtext("extends") == "org.gimp.GIMP"
    assert component.findtext("metadata_license") == "CC0-1.0"
    assert component.findtext("project_license") == "Apache-2.0"
    (release,) = component.findall("releases/release")
    assert release.get("version") == build_plugins.version()
    today = datetime.datetime.now(datetime.timezone.utc).date()
    assert datetime.date.fromisoformat(release.get("date", "")) <= today
    # The elements of an addon, and each text once in each language that the plug-in speaks.
    assert {child.tag for child in component} == {
        "id", "extends", "name", "summary", "metadata_license", "project_license", "developer_name",
        "description", "releases",
    }  # fmt: skip
    languages = {path.stem for path in (PROJECT / "installers" / "translations").glob("*.po")}
    assert "de" in languages
    summaries = [summary.get(LANGUAGE) for summary in component.findall("summary")]
    assert sorted(filter(None, summaries)) == sorted(languages)
    assert summaries.count(None) == 1
    paragraphs = [paragraph.get(LANGUAGE) for paragraph in component.findall("description/p")]
    assert {paragraphs.count(language) for language in [None, *languages]} == {2}
    for summary in component.findall("summary"):
        text = summary.text or ""
        assert 0 < len(text) < 90
        assert not text.endswith((".", "。"))


@pytest.mark.skipif(shutil.which("appstreamcli") is None, reason="appstreamcli (Debian: appstream) validates")
def test_appstream_takes_it(metainfo: Path, tmp_path: Path) -> None:
    command = ["appstreamcli", "validate", "--no-net", "--strict"]
    done = subprocess.run([*command, str(metainfo)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    # It would have found a mistake.
    broken = tmp_path / metainfo.name
    broken.write_text(metainfo.read_text().replace("<extends>org.gimp.GIMP</extends>", ""))
    assert subprocess.run([*command, str(broken)], capture_output=True, check=False).returncode

"""gimpfu for the GIMP 2.10 of Debian 11, which has none: compiled there from sources of Debian and PyPI.

    python -m tests.hosts.pygimp          # builds it if it is missing, prints where it is

Debian took Python out of GIMP when Python 2 ended. Its source package of GIMP still has pygimp, and PyGObject
up to 3.36 still builds for Python 2.7, which is all that pygimp needs. PyGTK cannot be had, so there is no
gimpfu dialog in this GIMP. Built once, and kept in the suite's folder as long as this file does not change.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.hosts import chroot
from tests.hosts.chroot import SUITES, ChrootUnavailable, Suite

SUITE = "bullseye"

#: Debian 11 is where the program comes from. Not every mirror has its sources; the next release's will do:
#: nothing changed in pygimp but a few lines.
SOURCE_SUITES = ("bullseye", "bookworm")

PYGOBJECT = "3.36.1"
PYGOBJECT_SHA256 = "012a589aec687bfa809a1ff9f5cd775dc7f6fcec1a6bc7fe88e1002a68f8ba34"

#: In the suite's folder.
WORK = "opt/pygimp"

#: What pygimp imports of PyGTK: no more than that the right version is there.
PYGTK = """\
def require(version):
    pass
"""

#: One line for each module of pygimp: its name, and the files that it is made of.
MODULES = {
    "gimp": (
        "gimpmodule",
        *(f"pygimp-{part}" for part in ("item", "display", "drawable", "image", "parasite")),
        *(f"pygimp-{part}" for part in ("pdb", "tile", "vectors")),
    ),
    "gimpcolor": ("gimpcolormodule", "pygimp-colors"),
    "_gimpenums": ("gimpenumsmodule",),
}
SCRIPTS = ("gimpfu.py", "gimpenums.py", "gimpplugin.py", "gimpshelf.py")

BUILD = r"""
set -e
cd /opt/pygimp
(cd pygobject && PYGOBJECT_WITHOUT_PYCAIRO=1 python2.7 setup.py -q build --build-base=/tmp/pygobject)
rm -rf modules && mkdir modules
cp -r /tmp/pygobject/lib.*/gi modules/
cp pygtk.py modules/
flags="$(pkg-config --cflags gimpui-2.0 gegl-0.4 gobject-introspection-1.0) $(python2.7-config --includes)"
flags="$flags -Ipygobject/gi -O1 -w -fPIC -shared -fno-strict-aliasing"
# What the header of PyGObject 2 had, in the words of PyGObject 3.
flags="$flags -Dinit_pygobject()=pygobject_init(-1,-1,-1) -DGETTEXT_PACKAGE=\"gimp20\""
libraries="$(pkg-config --libs gimpui-2.0 gegl-0.4)"
"""


def python_modules(root: Path) -> str:
    """The folder of gimpfu as a program in there sees it, built when it is missing.

    Raises:
        ChrootUnavailable: a source could not be had, or did not compile.
    """
    with chroot.locked(root.with_name(f"{root.name}.lock")):
        done = root / WORK / "done"
        recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
        if not done.exists() or done.read_text() != recipe:
            _build(root)
            done.write_text(recipe)
    return f"/{WORK}/modules"


def _build(root: Path) -> None:
    work = root / WORK
    work.mkdir(parents=True, exist_ok=True)
    _fetch_pygimp(root)
    _fetch_pygobject(work)
    (work / "pygtk.py").write_text(PYGTK)
    lines = [BUILD]
    for module, files in MODULES.items():
        sources = " ".join(f"pygimp/{file}.c" for file in files)
        lines.append(f"gcc $flags {sources} -o modules/{module}.so $libraries\n")
    lines += [f"cp pygimp/{name} modules/\n" for name in SCRIPTS]
    lines.append("rm -rf /tmp/pygobject\n")
    (work / "build.sh").write_text("".join(lines))
    chroot.step("chroot", str(root), "sh", f"/{WORK}/build.sh")


def _fetch_pygimp(root: Path) -> None:
    """Only that folder of GIMP's source, by apt, which checks that it is Debian's."""
    work = root / WORK
    if (work / "pygimp").is_dir():
        return
    mirror = (root / "etc/apt/sources.list").read_text().split()[1]
    sources = root / "etc/apt/sources.list.d/sources.list"
    reasons = []
    for suite in SOURCE_SUITES:
        sources.write_text(f"deb-src {mirror} {suite} main\n")
        try:
            chroot.step("chroot", str(root), "apt-get", "update", "-q")
            fetch = f"cd /{WORK} && apt-get source -q --download-only --only-source gimp/{suite}"
            chroot.step("chroot", str(root), "sh", "-c", fetch)
            break
        except ChrootUnavailable as reason:
            reasons.append(str(reason))
        finally:
            sources.unlink()
    else:
        raise ChrootUnavailable(reasons[-1])
    (archive,) = work.glob("gimp_*.orig.tar.*")
    part = work / "pygimp.part"
    shutil.rmtree(part, ignore_errors=True)
    with tarfile.open(archive) as opened:
        for member in opened:
            if "/plug-ins/pygimp/" in member.name and member.isfile():
                member.name = Path(member.name).name
                opened.extract(member, part, filter="data")
    for file in work.glob("gimp_*"):
        file.unlink()
    part.rename(work / "pygimp")


def _fetch_pygobject(work: Path) -> None:
    if (work / "pygobject").is_dir():
        return
    wanted = work / "pygobject.txt"
    wanted.write_text(f"PyGObject=={PYGOBJECT} --hash=sha256:{PYGOBJECT_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += [
        "--no-binary=:all:",
        "--no-build-isolation",
        "--dest",
        str(work),
        "--requirement",
        str(wanted),
    ]
    # pip asks the source for its metadata, for which it needs not be compiled.
    environment = {"PYGOBJECT_WITHOUT_PYCAIRO": "1"}
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    archives = list(work.glob("[Pp]y[Gg][Oo]bject-*.tar.gz"))
    if done.returncode != 0 or not archives:
        raise ChrootUnavailable(f"PyGObject {PYGOBJECT} could not be fetched: {done.stdout.strip()[-300:]}")
    with tarfile.open(archives[0]) as opened:
        opened.extractall(work / "pygobject.part", filter="data")
    archives[0].unlink()
    (unpacked,) = (work / "pygobject.part").iterdir()
    unpacked.rename(work / "pygobject")
    (work / "pygobject.part").rmdir()


def suite() -> Suite:
    """The suite that this is built in."""
    return SUITES[SUITE]


def main() -> int:
    try:
        root = chroot.chroot(suite())
        print(root, python_modules(root))
    except ChrootUnavailable as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Runs pieces of web/src in node, as they are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from installers import build_web
from installers.build_plugins import BuildError


def have_packages() -> None:
    """Fetch what web/ needs. That it cannot be had is a failure in CI, and skips the tests elsewhere."""
    try:
        build_web.install_packages()
    except BuildError as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))


class Node:
    """A program that answers each line of JSON with one."""

    def __init__(self, source: str, folder: Path) -> None:
        """`source`: TypeScript that exports `answer`; imports are relative to web/src."""
        have_packages()
        own = sysconfig.get_path("scripts")
        node = shutil.which("node", path=os.pathsep.join((own, os.environ.get("PATH", ""))))
        assert node is not None
        program = folder / "program.mjs"
        loop = """
            import { createInterface } from "node:readline";
            for await (const line of createInterface({ input: process.stdin })) {
                console.log(JSON.stringify(answer(JSON.parse(line))));
            }
        """
        bundle = """
            import { readFileSync } from "node:fs";
            import { build } from "esbuild";
            const contents = readFileSync(0, "utf8");
            await build({
                stdin: { contents, loader: "ts", resolveDir: process.cwd() },
                bundle: true, platform: "node", format: "esm", outfile: process.argv[1], logLevel: "warning",
            });
        """
        command = [node, "--input-type=module", "-e", bundle, str(program)]
        subprocess.run(command, input=source + loop, text=True, cwd=build_web.WEB, check=True, timeout=60)
        self._process = subprocess.Popen(
            [node, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, question: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

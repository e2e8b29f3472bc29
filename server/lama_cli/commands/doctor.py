"""`lama-fill doctor`: what works, what does not, and what to do about it."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from lama_cli.saying import say
from lama_core.client.errors import LamaFillError

NOT_WELL = 1


class ReportError(LamaFillError):
    """The report cannot be written."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "doctor",
        help="check everything, and say what to do about what is wrong",
        description=f"Check everything, a real fill included; exit with {NOT_WELL} if something is wrong.",
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.add_argument("--no-fill", action="store_true", help="leave out the fill, and start no server")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="also write a file for a bug report, without your name, home folder or the server's token",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check, print as it goes, and write the report."""
    from lama_cli.doctor.checks import examine
    from lama_cli.doctor.report import report

    findings = []
    for finding in examine(fill=not args.no_fill):
        findings.append(finding)
        if not args.json:
            say(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name:<12} {finding.about}")
            if finding.remedy:
                say(f"     what to do:  {finding.remedy}")
    well = all(finding.ok for finding in findings)
    if args.json:
        print(json.dumps({"ok": well, "findings": [dataclasses.asdict(finding) for finding in findings]}))
    if args.report is not None:
        try:
            args.report.write_text(report(findings), encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise ReportError(f"{args.report}: cannot be written ({error.strerror or error})") from error
        if not args.json:
            say(f"the report is in {args.report}; read it before you send it")
    return 0 if well else NOT_WELL

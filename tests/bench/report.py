"""What the benches measured, as JSON, as Markdown tables, and as a plot."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import torch

from lama_core.inference.cache import processor_name
from lama_core.research.evaluation.report import with_table

PACKAGES = ("torch", "numpy", "safetensors", "websockets", "msgpack", "pyvips", "lama-fill-kernels")

Cell = str | float | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number, and what it should be at most (or at least, for a ratio)."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        reached = self.value >= self.target if self.at_least else self.value <= self.target
        return "yes" if reached else "**no**"


@dataclass(slots=True, kw_only=True)
class Section:
    """A bench's part of the report."""

    title: str
    note: str = ""
    figures: list[Figure] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    rows: list[tuple[Cell, ...]] = field(default_factory=list)

    def figure(
        self, name: str, value: float, unit: str, *, target: float | None = None, at_least: bool = False
    ) -> None:
        """Note one number, and say it at once."""
        one = Figure(name=name, value=value, unit=unit, target=target, at_least=at_least)
        self.figures.append(one)
        print("  " + " | ".join(cell for cell in _figure_cells(one) if cell), flush=True)

    def row(self, *cells: Cell) -> None:
        """Note a row of the section's table, and say it at once."""
        self.rows.append(cells)
        print("  " + " | ".join(_text(cell) for cell in cells), flush=True)


def machine() -> dict[str, str]:
    """What the figures were measured on: processor, cores, memory, versions."""
    facts = {
        "processor": processor_name() or "unknown",
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
    }
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        facts["memory"] = f"{memory / 2**30:.0f} GiB"
    facts["system"] = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    installed = {found.metadata["Name"]: found.version for found in distributions()}
    facts |= {name: installed.get(name, "not installed") for name in PACKAGES}
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def write(sections: Mapping[str, Section], folder: Path) -> None:
    """Write `bench.json`, `bench.md`, and, where sizes were compared, `bench.png` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine(), "sections": {name: asdict(one) for name, one in sections.items()}}
    (folder / "bench.json").write_text(json.dumps(content, indent=2) + "\n")
    page = [_facts()] + [f"## {section.title}\n\n{_markdown(section)}" for section in sections.values()]
    (folder / "bench.md").write_text("\n\n".join(page) + "\n")
    compared = [section for section in sections.values() if {"model", "speed-up"} <= set(section.columns)]
    if compared:
        _plot(compared[0], folder / "bench.png")


def write_into(document: Path, sections: Mapping[str, Section]) -> None:
    """Put what was measured into the places of these names in a document, and the machine into its own."""
    text = document.read_text("utf-8")
    for name, section in sections.items():
        text = with_table(text, name, _markdown(section))
    document.write_text(with_table(text, "machine", _facts()), "utf-8")


def _facts() -> str:
    return ", ".join(f"{name} {value}" for name, value in machine().items()) + "."


def _markdown(section: Section) -> str:
    """A section without its title."""
    lines = [section.note, ""] if section.note else []
    if section.rows:
        lines += _table(section.columns, [[_text(cell) for cell in row] for row in section.rows])
    if section.figures:
        header = ("what", "measured", "target", "reached")
        lines += _table(header, [_figure_cells(figure) for figure in section.figures])
    return "\n".join(lines).strip()


def _table(header: tuple[str, ...], rows: list[list[str]]) -> list[str]:
    separator = "|" + "---|" * len(header)
    return [f"| {' | '.join(header)} |", separator, *(f"| {' | '.join(row)} |" for row in rows), ""]


def _figure_cells(one: Figure) -> list[str]:
    target = "" if one.target is None else f"{'≥' if one.at_least else '≤'} {_text(one.target)} {one.unit}"
    return [one.name, f"{_text(one.value)} {one.unit}", target, one.verdict]


def _text(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:.1e}" if 0 < abs(cell) < 1e-3 else f"{cell:.3g}" if abs(cell) < 1000 else f"{cell:.0f}"
    return "" if cell is None else str(cell)


def _plot(section: Section, path: Path) -> None:
    """One axis for each model."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = ("model", "size", "variant", "speed-up")
    model, size, variant, ratio = (section.columns.index(name) for name in columns)
    models = list(dict.fromkeys(row[model] for row in section.rows))
    figure, axes = pyplot.subplots(1, len(models), figsize=(6 * len(models), 4), squeeze=False)
    for axis, shown in zip(axes[0], models, strict=True):
        rows = [row for row in section.rows if row[model] == shown]
        sizes = list(dict.fromkeys(row[size] for row in rows))
        variants = list(dict.fromkeys(row[variant] for row in rows))
        width = 0.8 / len(variants)
        for number, name in enumerate(variants):
            heights = {row[size]: row[ratio] for row in rows if row[variant] == name}
            places = np.arange(len(sizes)) + (number - (len(variants) - 1) / 2) * width
            axis.bar(places, [float(heights.get(one) or 0) for one in sizes], width, label=str(name))
        axis.set_xticks(np.arange(len(sizes)), [str(one) for one in sizes])
        axis.set_title(str(shown))
        axis.set_ylabel("times as fast as the plain generator")
        axis.axhline(1, color="gray", linewidth=0.8)
        axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)

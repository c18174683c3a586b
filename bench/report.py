"""Turns a run into raw JSON, a table for the terminal, and the marked part of the document."""

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import Figure
from bench.peers import WideTables
from bench.servers import ROOT

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
DOCUMENT = ROOT / "docs" / "performance.md"
RESULTS = Path(__file__).with_name("results")
_APART = ("floors", "peers")
_INTRODUCTION = f"""# Performance

Written by `python -m bench`; what stands between the markers is replaced by every full run.

{BEGIN}
{END}
"""


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "cpu": _cpu_model(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": _commit(),
    }


@dataclass(slots=True)
class Run:
    """Everything that one run found, and where."""

    quick: bool
    generator: str
    postgres: dict[str, str]
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    machine: dict[str, str] = field(default_factory=machine)
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])
    seconds: float = 0.0
    figures: list[Figure] = field(default_factory=list)
    wide: WideTables | None = None

    def as_json(self) -> str:
        """The raw figures, with the ratios."""
        raw = asdict(self)
        raw["started"] = self.started.isoformat()
        for figure, row in zip(self.figures, raw["figures"], strict=True):
            row["ratio"] = figure.ratio
        return json.dumps(raw, indent=1)

    def save(self) -> Path:
        """Keep the raw figures."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.started:%Y-%m-%dT%H%M%SZ}.json"
        path.write_text(self.as_json() + "\n")
        return path


def markdown(run: Run) -> str:
    """The part of the document between the markers."""
    own = [figure for figure in run.figures if figure.measure not in _APART]
    judged = [figure.target.met for figure in own if figure.target is not None]
    missing = sum(figure.value is None for figure in own)
    facts = run.machine
    shown = ", ".join(f"{name} {value}" for name, value in run.postgres.items())
    lines = [
        (
            f"Measured {run.started:%Y-%m-%d %H:%M} UTC in {run.seconds / 60:.0f} minutes on "
            f"{facts['cores']} cores ({facts['cpu']}), {facts['memory']}, {facts['kernel']}; "
            f"Python {facts['python']}; commit {facts['commit']}."
        ),
        f"One Postgres for all: {shown}.",
        f"Load by {run.generator}. Load average before the run: {run.load_before:.2f}.",
        "",
    ]
    if run.quick:
        lines += ["**A quick run: short and small. Read it as a smoke test, not as figures.**", ""]
    lines += [
        f"**{sum(map(bool, judged))} of {len(judged)} targets met"
        + (f", {missing} not measured" if missing else "")
        + ".** The ratio is Cairn divided by the floor of the same run, taken in turns: "
        "above 1 is better for rates, below 1 for times and memory.",
        "",
        *_table(own),
    ]
    for measure, title in (("floors", "The floors by themselves"), ("peers", "Peers, same run")):
        rows = [figure for figure in run.figures if figure.measure == measure]
        if rows:
            lines += ["", f"### {title}", "", *_short_table(rows)]
    if run.wide is not None:
        lines += ["", f"### Peers, wide comparison: {run.wide.origin}", "", run.wide.markdown]
    return "\n".join(lines).rstrip() + "\n"


def write(run: Run, path: Path = DOCUMENT) -> None:
    """Replace the marked part of the document; make the document when it is missing."""
    text = path.read_text() if path.exists() else _INTRODUCTION
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        before, after = text.rstrip() + "\n\n", "\n"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before}{BEGIN}\n{markdown(run)}{END}{after}")


def verdict(figure: Figure) -> str:
    """pass, FAIL, or why there is neither."""
    if figure.value is None:
        return "not measured"
    if figure.target is None or figure.target.met is None:
        return ""
    return "pass" if figure.target.met else "**FAIL**"


def number(value: float | None, unit: str = "") -> str:
    """A value with three significant places or none after the point."""
    if value is None:
        return "-"
    places = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    separator = "" if unit.startswith("/") or not unit else " "
    return f"{value:,.{places}f}{separator}{unit}"


def _table(figures: list[Figure]) -> list[str]:
    lines = [
        "| figure | Cairn | floor | ratio | target | result |",
        "|---|---:|---:|---:|---|---|",
    ]
    for figure in figures:
        floor = "-"
        if figure.floor is not None:
            floor = f"{number(figure.floor, figure.unit)} ({figure.floor_name})"
        target = figure.target.text if figure.target else "-"
        title = f"{figure.title} ({figure.note})" if figure.note else figure.title
        cells = [title, number(figure.value, figure.unit), floor, number(figure.ratio)]
        lines.append("| " + " | ".join([*map(_cell, cells), target, verdict(figure)]) + " |")
    return lines


def _short_table(figures: list[Figure]) -> list[str]:
    lines = ["| what | rate | p50 / p99 ms |", "|---|---:|---:|"]
    for figure in figures:
        p50, p99 = figure.detail.get("p50"), figure.detail.get("p99")
        both = f"{p50:.2f} / {p99:.2f}" if isinstance(p50, float) and isinstance(p99, float) else ""
        title = f"{figure.title} ({figure.note})" if figure.note else figure.title
        lines.append(f"| {_cell(title)} | {number(figure.value, figure.unit)} | {both} |")
    return lines


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()

"""Medians, spread, ratios; as lines, as a table in Markdown and as a plot in SVG. Pure."""

import html
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_WIDTH, _ROW, _LEFT = 900, 26, 430  # pixels


@dataclass(frozen=True)
class Comparison:
    """What one row shows: ours over another's, round by round."""

    row: str
    against: str
    figure: str  # "requests/s" or "p99"
    goal: float
    at_least: bool  # or at most
    ratio: float  # of the medians
    low: float  # of the ratios of one round
    high: float
    cpu: float  # the ratio of the medians of CPU time per request

    @property
    def met(self) -> bool:
        return self.ratio >= self.goal if self.at_least else self.ratio <= self.goal

    @property
    def wanted(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.goal:.1f}"

    def line(self) -> str:
        verdict = "met" if self.met else "MISSED"
        spread = f"{self.low:.2f} to {self.high:.2f}"
        what = f"{self.row}, {self.figure} against {self.against}"
        told = f"{spread}; goal {self.wanted}: {verdict}; CPU per request {self.cpu:.2f}"
        return f"{what:58} {self.ratio:5.2f}  ({told})"


def ratio_of(ours: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """The ratio of the medians, and the lowest and highest of one round."""
    pairs = [one / other for one, other in zip(ours, others, strict=True)]
    return statistics.median(ours) / statistics.median(others), min(pairs), max(pairs)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median, and the lowest and the highest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def markdown(
    machine: str,
    figures: Mapping[tuple[str, str], Mapping[str, Sequence[float]]],
    comparisons: Sequence[Comparison],
) -> str:
    """Both tables; `figures` are by row and server, then by name."""
    lines = [
        f"# Ratios\n\n{machine}\n",
        "| what | figure | against | ratio of medians | lowest to highest round | goal | | CPU |",
        "| --- | --- | --- | ---: | ---: | ---: | --- | ---: |",
    ]
    lines += [
        f"| {each.row} | {each.figure} | {each.against} | {each.ratio:.2f} | "
        f"{each.low:.2f} to {each.high:.2f} | {each.wanted} | {'met' if each.met else 'missed'} | "
        f"{each.cpu:.2f} |"
        for each in comparisons
    ]
    lines += [
        "\nCPU: the ratio of the medians of processor time per request.",
        "\n# What they are made of\n\nMedians, and the lowest and highest round. They say something"
        " only beside each other: another machine has other ones.\n",
        "| what | server | requests/s | CPU µs/request | µs p99 |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for (row, server), values in figures.items():
        shown = (spread(values["rate"]), spread(values["cpu"], 1), spread(values["p99"]))
        lines.append(f"| {row} | {server} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def plot(comparisons: Sequence[Comparison]) -> str:
    """A bar for each ratio, its spread, and a mark where the goal lies."""
    most = max([2.0, *(max(each.high, each.goal) for each in comparisons)]) * 1.05
    scale = (_WIDTH - _LEFT - 60) / most
    height = _ROW * (len(comparisons) + 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        '<text x="10" y="18" font-weight="bold">Imcaxy over the others (ratio of medians; line: '
        "lowest to highest round; mark: goal)</text>",
    ]
    for number, each in enumerate(comparisons):
        top = _ROW * (number + 1) + 6
        centre = top + _ROW / 2 - 3
        low, high, goal = (_LEFT + value * scale for value in (each.low, each.high, each.goal))
        colour = "#2e7d32" if each.met else "#c62828"
        label = html.escape(f"{each.row}, {each.figure} / {each.against} ({each.wanted})")
        parts += [
            f'<text x="{_LEFT - 10}" y="{centre + 4}" text-anchor="end">{label}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{each.ratio * scale:.1f}" height="{_ROW - 8}" '
            f'fill="{colour}" opacity="0.75"/>',
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{centre}" y2="{centre}" stroke="black"/>',
            f'<line x1="{goal:.1f}" x2="{goal:.1f}" y1="{top - 3}" y2="{top + _ROW - 5}" '
            'stroke="black" stroke-width="2"/>',
            f'<text x="{_LEFT + max(each.ratio, each.high) * scale + 6:.1f}" y="{centre + 4}">'
            f"{each.ratio:.2f}</text>",
        ]
    return "\n".join([*parts, "</svg>\n"])

"""Metrics as Prometheus reads them (text format 0.0.4). Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric and its values by label."""

    name: str
    kind: Literal["counter", "gauge"]
    text: str  # what it is, with its unit
    values: Iterable[tuple[Mapping[str, str], float]]


def written(metrics: Iterable[Metric], common: Mapping[str, str]) -> bytes:
    """The text; every value carries the `common` labels too."""
    lines = []
    for metric in metrics:
        lines.append(f"# HELP {metric.name} {metric.text}")
        lines.append(f"# TYPE {metric.name} {metric.kind}")
        for labels, value in metric.values:
            pairs = (f'{name}="{_escaped(text)}"' for name, text in {**common, **labels}.items())
            lines.append(f"{metric.name}{{{','.join(pairs)}}} {value:.12g}")
    return "\n".join((*lines, "")).encode()


def _escaped(text: str) -> str:
    return text.translate(_ESCAPED)

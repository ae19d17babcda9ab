"""The table of ratios, as text for people and JSON for programs."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.load import Figures
from benchmarks.scenarios import Scenario

DEMO_MIB = 400


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario, measured on both."""

    scenario: Scenario
    product: Figures
    peer: Figures | None

    @property
    def by_cpu(self) -> bool:
        """Whether answers per CPU second are compared: others, or the generator, were in the way."""
        return self.peer is not None and not (self.product.undisturbed and self.peer.undisturbed)

    @property
    def ratio(self) -> float | None:
        """Product divided by peer."""
        if self.peer is None:
            return None
        if self.by_cpu:
            return round(self.product.per_cpu_second / self.peer.per_cpu_second, 2)
        return round(self.product.per_second / self.peer.per_second, 2)

    @property
    def holds(self) -> bool:
        """Whether what is demanded was reached."""
        return self.ratio is None or self.scenario.least is None or self.ratio >= self.scenario.least


@dataclass
class Report:
    """All that one run of the benchmark found."""

    heading: str
    rows: list[Row] = field(default_factory=list)
    #: name → seconds from start to first answer, MiB of the serving process idle and after the load
    servers: dict[str, dict[str, float]] = field(default_factory=dict)
    demo_mib: float | None = None

    @property
    def holds(self) -> bool:
        """Whether every demand was met."""
        small = self.demo_mib is None or self.demo_mib <= DEMO_MIB
        return small and all(row.holds for row in self.rows)

    def markdown(self) -> str:
        """Return the report as Markdown."""
        return "\n".join([self.heading, "", *self._figures(), "", *self._sizes(), ""])

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        rows = [
            {
                "scenario": row.scenario.name,
                "product": asdict(row.product),
                "peer": asdict(row.peer) if row.peer else None,
                "peer_form": row.scenario.peer,
                "ratio": row.ratio,
                "least": row.scenario.least,
                "compared": "per CPU second" if row.by_cpu else "per second",
                "holds": row.holds,
            }
            for row in self.rows
        ]
        return {
            "heading": self.heading,
            "rows": rows,
            "servers": self.servers,
            "demo_mib": self.demo_mib,
            "holds": self.holds,
        }

    def _figures(self) -> Iterable[str]:
        yield "| scenario | Lotse /s | Lotse /CPU s | p50 ms | peer | peer /s | peer /CPU s | ratio | least |"
        yield "|---|---:|---:|---:|---|---:|---:|---:|---:|"
        for row in self.rows:
            yield _line(row)

    def _sizes(self) -> Iterable[str]:
        yield "| process | start s | MiB idle | MiB after load |"
        yield "|---|---:|---:|---:|"
        for name, facts in self.servers.items():
            yield f"| {name} | {facts['start_seconds']} | {facts['idle_mib']} | {facts['loaded_mib']} |"
        if self.demo_mib is not None:
            yield f"\nAll processes of the demo: {self.demo_mib} MiB, at most {DEMO_MIB}."


def _line(row: Row) -> str:
    ours, peer = row.product, row.peer
    cells = [
        row.scenario.name,
        f"{ours.per_second:,.0f}",
        f"{ours.per_cpu_second:,.0f}",
        f"{ours.p50_ms:.2f}",
    ]
    if peer is None:
        cells += ["", "", "", "", ""]
    else:
        least = "" if row.scenario.least is None else f"{row.scenario.least}{'' if row.holds else ' missed'}"
        mark = " (CPU)" if row.by_cpu else ""
        cells += [row.scenario.peer, f"{peer.per_second:,.0f}", f"{peer.per_cpu_second:,.0f}"]
        cells += [f"{row.ratio}{mark}", least]
    return f"| {' | '.join(cells)} |"

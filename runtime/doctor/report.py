"""All findings together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import vosrt
from vosrt.doctor.finding import Finding, State


@dataclass(frozen=True)
class DoctorReport:
    """What was found, in the order of looking."""

    findings: tuple[Finding, ...]

    @property
    def works(self) -> bool:
        """Whether something can be segmented here."""
        return all(finding.state != State.BROKEN for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        findings = [finding.to_json() for finding in self.findings]
        return {"vosrt": vosrt.__version__, "works": self.works, "findings": findings}

    def lines(self) -> Iterator[str]:
        """For people: a table, then what is to be done."""
        width = max(len(finding.name) for finding in self.findings)
        group = ""
        for finding in self.findings:
            if finding.group != group:
                yield from ([""] if group else [])
                yield finding.group
                group = finding.group
            yield f"  {finding.name:{width}}  {finding.state.value:7}  {finding.detail}{_how_to_get(finding)}"
        yield ""
        for finding in self.findings:
            if finding.state in (State.PROBLEM, State.BROKEN):
                yield f"{finding.state.value}: {finding.name}: {finding.detail}"
                yield f"  to mend it: {finding.cure}"
        yield "Segmentation works here." if self.works else "Segmentation cannot work here yet."


def examine(checks: Iterable[Callable[[], Iterable[Finding]]] | None = None) -> DoctorReport:
    """Look at everything; a check that fails in an unforeseen way becomes a finding itself.

    Args:
        checks: what to look at; None for everything.
    """
    findings: list[Finding] = []
    for check in _all_checks() if checks is None else checks:
        try:
            findings += check()
        except Exception as error:
            name = check.__name__.replace("_findings", "")
            detail = f"could not be examined ({type(error).__name__}: {error})"
            cure = "report this with the output of `vosrt doctor --json`"
            findings.append(Finding(name, name, State.PROBLEM, detail, cure))
    return DoctorReport(tuple(findings))


def _all_checks() -> tuple[Callable[[], Iterable[Finding]], ...]:
    def execution_findings() -> Iterable[Finding]:
        from vosrt.doctor import execution  # needs NumPy, whose absence is a finding

        return execution.execution_findings()

    def gpu_findings() -> Iterable[Finding]:
        from vosrt.doctor import gpu

        return gpu.gpu_findings()

    def video_findings() -> Iterable[Finding]:
        from vosrt.doctor import video_encoding

        return video_encoding.video_findings()

    def weight_findings() -> Iterable[Finding]:
        from vosrt.doctor import weights

        return weights.weight_findings()

    from vosrt.doctor.machine import machine_findings
    from vosrt.doctor.packages import package_findings

    return (
        machine_findings,
        package_findings,
        execution_findings,
        gpu_findings,
        video_findings,
        weight_findings,
    )


def _how_to_get(finding: Finding) -> str:
    return f" ({finding.cure})" if finding.state == State.ABSENT and finding.cure else ""

"""The bundles that come with the package, and the terms of their weights."""

from __future__ import annotations

from collections.abc import Iterator

from vosrt.bundle import Bundle
from vosrt.doctor.finding import Finding, State
from vosrt.errors import Error
from vosrt.shipped_bundles import DEFAULT, TERMS

GROUP = "weights"


def weight_findings() -> Iterator[Finding]:
    """Look whether every bundle is whole."""
    for name, terms in TERMS.items():
        try:
            Bundle.open(name)
        except Error as error:
            yield Finding(GROUP, name, State.PROBLEM, error.what, "install vosrt again")
            continue
        use = " (used where no bundle is named)" if name == DEFAULT else ""
        yield Finding(GROUP, name, State.WORKS, f"{terms}{use}")

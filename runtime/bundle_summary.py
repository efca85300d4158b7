"""A bundle in a few lines, for people."""

from __future__ import annotations

from vosrt.manifest import Manifest


def summary_lines(manifest: Manifest) -> list[str]:
    """What a bundle runs, takes and remembers."""
    source = manifest.source
    weights = "generated stand-ins, not trained" if source.stand_in else f"sha256 {source.sha256[:16]}…"
    size = "any" if manifest.frame_size is None else "x".join(map(str, manifest.frame_size))
    options = ", ".join(f"{_shown(name)}={_shown(value)}" for name, value in manifest.options.items())
    lines = [
        f"{manifest.name} (family {manifest.family})",
        f"weights    {source.file}, {weights}",
        f"made with  {', '.join(f'{_shown(name)} {version}' for name, version in manifest.producer.items())}",
        f"frames     {size}, objects {'any number' if manifest.objects is None else manifest.objects}",
        f"options    {options}",
    ]
    for role, graph in manifest.graphs.items():
        lines.append(f"graph {role}: {', '.join(f'{p} {file.path}' for p, file in graph.files.items())}")
        for name, value in graph.inputs.items():
            lines.append(f"    in   {name:22s} {_tensor(value.dtype, value.shape):34s} from {value.source}")
        lines += [
            f"    out  {name:22s} {_tensor(value.dtype, value.shape)}"
            for name, value in graph.outputs.items()
        ]
    for entry_name, entry in manifest.state.items():
        for name, tensor in entry.tensors.items():
            place, kind = f"{entry_name}.{name}", _tensor(tensor.dtype, tensor.shape)
            lines.append(f"state {place:25s} {kind:34s} from {tensor.source} ({entry.rule})")
    for precision, report in manifest.parity.items():
        share = report.get("equal_labels") if isinstance(report, dict) else None
        if _is_share(share):
            lines.append(f"parity {_shown(precision)}: {share:.4%} equal labels per frame")
    return lines


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _shown(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else ascii(text)  # no control characters on a terminal


def _tensor(dtype: str, shape: tuple[int | str, ...]) -> str:
    return f"{dtype} [{', '.join(map(str, shape))}]"

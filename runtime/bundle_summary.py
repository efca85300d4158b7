"""A bundle in a few lines, for people."""

from __future__ import annotations

from vosrt.manifest import Manifest


def summary_lines(manifest: Manifest) -> list[str]:
    """What a bundle runs, takes and remembers."""
    source = manifest.source
    weights = "generated stand-ins, not trained" if source.stand_in else f"sha256 {source.sha256[:16]}…"
    size = "any" if manifest.frame_size is None else "x".join(map(str, manifest.frame_size))
    lines = [
        f"{manifest.name} (family {manifest.family})",
        f"weights    {source.file}, {weights}",
        f"made with  {', '.join(f'{name} {version}' for name, version in manifest.producer.items())}",
        f"frames     {size}, objects {'any number' if manifest.objects is None else manifest.objects}",
        f"options    {', '.join(f'{name}={value}' for name, value in manifest.options.items())}",
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
        if isinstance(report, dict) and "equal_labels" in report:
            lines.append(f"parity {precision}: {report['equal_labels']:.4%} equal labels per frame")
    return lines


def _tensor(dtype: str, shape: tuple[int | str, ...]) -> str:
    return f"{dtype} [{', '.join(map(str, shape))}]"

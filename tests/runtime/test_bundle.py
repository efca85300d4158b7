"""A bundle folder that is damaged, altered or pointing elsewhere is refused with the place of the fault."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.toy_bundle import write_colour_bundle
from vosrt import BundleError, InputError, Segmenter
from vosrt.bundle import Bundle
from vosrt.bundle_summary import summary_lines
from vosrt.manifest import sha256_of_file


@pytest.fixture(scope="module")
def colour_bundle(tmp_path_factory):
    return write_colour_bundle(tmp_path_factory.mktemp("bundles") / "colour")


@pytest.fixture
def bundle(colour_bundle, tmp_path):
    """A copy that a test may damage."""
    return Path(shutil.copytree(colour_bundle, tmp_path / "bundle"))


def edit_manifest(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change `bundle.json` as a user with an editor would."""
    path = folder / "bundle.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def set_path(folder: Path, path: str) -> None:
    edit_manifest(folder, lambda document: document["graphs"]["segment"]["file"]["float32"].update(path=path))


def open_error(folder: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        Bundle.open(folder)
    return caught.value


def load_error(folder: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        Segmenter(folder)
    return caught.value


# --- opening ---


def test_good_bundle_opens_and_names_its_files(bundle):
    opened = Bundle.open(bundle)
    assert opened.precisions == ("float32",)
    assert opened.graph_path("segment", precision="float32") == bundle / "segment.onnx"


def test_bundle_opens_from_a_string_and_through_a_link(bundle, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(bundle, target_is_directory=True)
    assert Bundle.open(str(link)).manifest == Bundle.open(bundle).manifest


def test_one_file_may_serve_two_precisions(bundle):
    def add_precision(document):
        for graph in document["graphs"].values():
            graph["file"]["float16"] = graph["file"]["float32"]

    edit_manifest(bundle, add_precision)
    assert set(Bundle.open(bundle).precisions) == {"float32", "float16"}
    Segmenter(bundle, precision="float16")


@pytest.mark.parametrize("kind", ["bit", "byte appended", "cut off"])
def test_altered_graph_is_refused(bundle, kind):
    path = bundle / "segment.onnx"
    data = bytearray(path.read_bytes())
    if kind == "bit":
        data[len(data) // 2] ^= 1
    path.write_bytes({"bit": data, "byte appended": data + b"\0", "cut off": data[:-1]}[kind])
    error = open_error(bundle)
    assert error.what.startswith("graphs.segment.file.float32.sha256: ")
    assert "is not the file that was exported" in error.what
    assert error.value == sha256_of_file(path)
    assert "copy the bundle again" in error.cure


def test_hash_of_another_file_is_refused(bundle):
    edit_manifest(bundle, lambda d: d["graphs"]["encode"]["file"]["float32"].update(sha256="0" * 64))
    assert open_error(bundle).allowed == "0" * 64


def test_missing_graph_is_named(bundle):
    (bundle / "encode.onnx").unlink()
    error = open_error(bundle)
    assert error.what == f"graphs.encode.file.float32.path: {bundle / 'encode.onnx'} is not there"
    assert "copy the whole bundle folder" in error.cure


def test_folder_in_place_of_a_graph_is_refused(bundle):
    (bundle / "encode.onnx").unlink()
    (bundle / "encode.onnx").mkdir()
    assert "is not there" in open_error(bundle).what


@pytest.mark.parametrize(
    "path", ["../segment.onnx", "graphs/../../segment.onnx", "..", "graphs\\segment.onnx", "C:\\segment.onnx"]
)
def test_path_that_could_leave_the_folder_is_refused_although_the_file_is_good(bundle, path):
    shutil.copy(bundle / "segment.onnx", bundle.parent / "segment.onnx")
    set_path(bundle, path)
    error = open_error(bundle)
    assert "graphs.segment.file.float32.path" in error.what
    assert error.value == path
    assert "a path inside the bundle folder" in error.allowed


def test_absolute_path_is_refused_even_into_the_folder(bundle):
    set_path(bundle, str(bundle / "segment.onnx"))
    assert "relative" in open_error(bundle).allowed


@pytest.mark.parametrize("linked", ["file", "folder"])
def test_link_that_leaves_the_folder_is_refused(bundle, tmp_path, linked):
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.move(bundle / "segment.onnx", outside / "segment.onnx")
    if linked == "file":
        (bundle / "segment.onnx").symlink_to(outside / "segment.onnx")
    else:
        (bundle / "graphs").symlink_to(outside, target_is_directory=True)
        set_path(bundle, "graphs/segment.onnx")
    error = open_error(bundle)
    assert error.what == "graphs.segment.file.float32.path leaves the bundle folder through a link"
    assert error.cure == "copy the file into the folder"


def test_link_inside_the_folder_is_followed(bundle):
    shutil.move(bundle / "segment.onnx", bundle / "shared.onnx")
    (bundle / "segment.onnx").symlink_to("shared.onnx")
    Bundle.open(bundle)


@pytest.mark.parametrize("precision", ["float16", "", 5, 0])
def test_unknown_precision_is_refused_with_the_known_ones(bundle, precision):
    with pytest.raises(BundleError) as caught:
        Segmenter(bundle, precision=precision)
    assert caught.value.what == "bundle colour: precision"
    assert caught.value.value == str(precision)
    assert caught.value.allowed == "float32"
    assert f"--precision {precision}" in caught.value.cure


def test_folder_without_a_manifest_is_refused(tmp_path):
    error = open_error(tmp_path)
    assert error.what == f"{tmp_path / 'bundle.json'} cannot be read (No such file or directory)"
    assert "vosrt export" in error.cure


def test_folder_that_is_not_there_is_refused(tmp_path):
    assert "cannot be read" in open_error(tmp_path / "nothing").what


def test_file_in_place_of_the_folder_is_refused(bundle):
    assert "cannot be read" in open_error(bundle / "bundle.json").what


def test_manifest_error_names_the_manifest_file(bundle):
    edit_manifest(bundle, lambda document: document.update(objects=0))
    assert open_error(bundle).what == f"{bundle / 'bundle.json'}: objects"


# --- loading the graphs ---


def rename_input(document):
    inputs = document["graphs"]["segment"]["inputs"]
    inputs["labels_before"] = inputs.pop("previous_labels")


def drop_input(document):
    del document["graphs"]["segment"]["inputs"]["previous_labels"]


def add_output(document):
    document["graphs"]["segment"]["outputs"]["logits"] = {"dtype": "float32", "shape": ["rows", "h", "w"]}


def retype_valid(document):
    document["graphs"]["segment"]["inputs"]["reference_valid"]["dtype"] = "int32"


@pytest.mark.parametrize(
    ("edit", "side", "names"),
    [
        (rename_input, "inputs", "labels_before, previous_labels"),
        (drop_input, "inputs", "previous_labels"),
        (retype_valid, "inputs", "reference_valid"),
        (add_output, "outputs", "logits"),
    ],
)
def test_graph_that_is_not_as_the_manifest_says_is_refused(bundle, edit, side, names):
    edit_manifest(bundle, edit)
    error = load_error(bundle)
    assert error.what == f"graphs.segment.{side} does not describe the graph file: {names}"
    assert "export again" in error.cure


def test_file_that_is_no_graph_is_refused(bundle):
    path = bundle / "segment.onnx"
    path.write_bytes(b"this is no ONNX file")
    edit_manifest(
        bundle, lambda d: d["graphs"]["segment"]["file"]["float32"].update(sha256=sha256_of_file(path))
    )
    error = load_error(bundle)
    assert error.what.startswith(f"graph segment: {path} does not load (")
    assert "\n" not in str(error)


def test_unknown_device_is_refused_with_the_known_ones(bundle):
    with pytest.raises(InputError, match=r"device: got 'tpu'; allowed: auto, cpu"):
        Segmenter(bundle, device="tpu")


@pytest.mark.parametrize("threads", [0, -1, 257, 1.5, True])
def test_number_of_threads_out_of_range_is_refused(bundle, threads):
    with pytest.raises(InputError, match=rf"threads: got {threads}; allowed: a whole number from 1 to 256"):
        Segmenter(bundle, threads=threads)


# --- profiles ---


def test_profile_is_written_per_graph(bundle, tmp_path):
    segmenter = Segmenter(bundle, threads=1, profile=tmp_path / "profile")
    files = segmenter.executor.write_profiles()
    assert [path.name.split("_")[0] for path in files] == ["encode", "segment"]
    for path in files:
        json.loads(path.read_text())
    assert Segmenter(bundle).executor.write_profiles() == []


# --- files that cannot be opened ---


def test_graph_path_that_no_file_can_have_is_refused(bundle):
    set_path(bundle, "x" * 300)
    assert "cannot be read (File name too long)" in open_error(bundle).what


def test_loop_of_links_in_place_of_a_graph_is_refused(bundle):
    (bundle / "segment.onnx").unlink()
    (bundle / "segment.onnx").symlink_to("segment.onnx")
    assert "graphs.segment.file.float32.path" in open_error(bundle).what


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this system's folders")
def test_pipe_in_place_of_a_graph_is_refused(bundle):
    (bundle / "segment.onnx").unlink()
    os.mkfifo(bundle / "segment.onnx")
    assert "cannot be read (not an ordinary file)" in open_error(bundle).what


# --- summaries ---


@pytest.mark.parametrize("share", ["all", None, True, [1], 10**400, -1])
def test_parity_of_another_type_is_passed_over_in_the_summary(bundle, share):
    edit_manifest(bundle, lambda document: document.update(parity={"float32": {"equal_labels": share}}))
    assert not any(line.startswith("parity") for line in summary_lines(Bundle.open(bundle).manifest))


def test_control_characters_do_not_reach_the_summary(bundle):
    edit_manifest(bundle, lambda document: document["options"].update({"a\x1b[2J": "b\x1b[2J"}))
    assert all(line.isprintable() for line in summary_lines(Bundle.open(bundle).manifest))

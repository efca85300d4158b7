"""A part that several ONNX bodies share: the pixels of the current frame in tiles."""

from __future__ import annotations


def query_tiles(matrix: str, columns: str) -> str:
    """Nodes that cut a matrix into equal tiles of at most `query_tile` pixels, the last padded with zeros.

    They read the constants `first` ([0]), `axis_1` ([1]) and `query_tile`, and the number of pixels `count`;
    they give `tile`, `tiles` and `padded_count` (int64 `[1]` each) and `query_tiles [tiles, tile, columns]`.

    Args:
        matrix: name of the value, `[columns, count]`.
        columns: name of their number, int64 `[1]`.
    """
    return f"""last_pixel = Sub (count, axis_1)
  full_tiles = Div (last_pixel, query_tile)
  tiles = Add (full_tiles, axis_1)
  rounding = Add (last_pixel, tiles)
  tile = Div (rounding, tiles)
  padded_count = Mul (tile, tiles)
  padding = Sub (padded_count, count)
  pads = Concat <axis: int = 0> (first, first, first, padding)
  padded = Pad ({matrix}, pads)
  pixels = Transpose <perm: ints = [1, 0]> (padded)
  tiles_shape = Concat <axis: int = 0> (tiles, tile, {columns})
  query_tiles = Reshape (pixels, tiles_shape)"""

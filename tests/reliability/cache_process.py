"""Builds engines without end and keeps them, for a process that is killed: python -m … FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

from vosrt.engine_cache import EngineCache, EngineKey

ENGINES = 2
ENGINE_BYTES = 16 << 20
MOST_BYTES = 6 * ENGINE_BYTES


def key_of(number: int, turn: int) -> EngineKey:
    """Another turn makes the engine of a number stale."""
    return EngineKey(f"toy.{number}", {"turn": str(turn)})


def engine_of(number: int, turn: int) -> bytes:
    """Large, so that writing takes a while."""
    return f"{number} {turn} ".encode().ljust(ENGINE_BYTES, b".")


def main() -> None:
    cache = EngineCache(sys.argv[1], most_bytes=MOST_BYTES)
    (Path(sys.argv[1]).parent / "begun").touch()
    turn = 0
    while True:
        for number in range(ENGINES):
            cache.get(key_of(number, turn), lambda number=number, turn=turn: engine_of(number, turn))
        turn += 1


if __name__ == "__main__":
    main()

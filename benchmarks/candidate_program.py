"""The program of a candidate's process: `python -m vosrt.benchmarks.candidate_program SOCKET`.

It stands alone, for classes of a program's own file have another name in another process.
"""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection

from vosrt.benchmarks.candidate_server import serve

if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))

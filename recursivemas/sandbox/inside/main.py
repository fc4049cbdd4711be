"""The entry: a job comes in on stdin, the report goes out on stdout, both in marshal's format.

(Both ends are the same Python, and marshal needs no import. Only trusted sides write it.)
"""

from __future__ import annotations

import marshal
import sys

from . import keeper


def main() -> None:
    """Run the job that `recursivemas.sandbox.run` sends; a failure of the sandbox is reported too.

    Ahead of the report goes `STARTED` once the code runs.
    """
    job = marshal.loads(sys.stdin.buffer.read())
    try:
        if job["namespaces"] is not None:
            from . import namespaces

            namespaces.enter(**job["namespaces"])
        report = keeper.keep(job)
    except Exception as error:
        report = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.buffer.write(marshal.dumps(report))
    sys.stdout.buffer.flush()

"""What runs inside the sandbox before, and beside, the code under test. Standard library only.

Started as `python -I -S` in a process of its own, once for every run of code, so nothing here may import the
rest of the package, and modules that take milliseconds to import (pathlib, json, signal, typing) are left
out.
"""

STARTED = b"started\n"
"""Goes out ahead of the report when the code runs: what goes wrong from then on may be the code's doing."""

"""Testing a solution, inside the sandbox. Standard library only: the rest of the package is not there.

The tests run in one process (`main`), the solution in others (`served`, `program`) that only hand over data.
So nothing that the solution prints, patches, exits or returns can pass for a verdict.
"""

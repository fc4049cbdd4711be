"""Running an agent's code as a script, inside the sandbox.

Standard library only: the rest of the package is not there.
"""

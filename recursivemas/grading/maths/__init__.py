r"""Comparing mathematical answers exactly.

`text` gives LaTeX one spelling, `units` takes units off, `reading` takes an answer apart into `forms`,
`parser` turns expressions into SymPy's, and `equality` compares. `pool` does that in processes of their own.
"""

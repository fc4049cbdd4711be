"""The page of a run: one file that shows every question, and what agents passed on, without a server."""

"""The trained toy: small agents that were taught a task which none of them can do alone, and their links.

`board` has the task, `lessons` what agents are taught of it, `schooling` teaches them, `rows` is what links
learn from, and `train` makes all of it from nothing. The release itself comes with the package.
"""

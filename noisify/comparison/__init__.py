"""What noise did: two files, or data in memory, read side by side in constant memory.

`reading` yields rows in order, `alignment` finds rows lost or added, `figures` measures fields.
"""

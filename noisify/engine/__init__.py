"""Run plans: the loop (read, decode, add noise, encode, write), first pass, reports, restoring.

Chunks go from a source through the noiser, in worker threads, to a sink.
"""

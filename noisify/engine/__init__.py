"""The loop: read, decode, add noise, encode, write; the first pass, reports, restore, conversion.

A plan and a source go in; chunks pass through the noiser in worker threads to a sink.
"""

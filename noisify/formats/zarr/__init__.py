"""Zarr, versions 2 and 3: the store is copied, then chunks of noisy arrays are written over it.

`store` finds and opens stores, `roles` tells which arrays hold measurements.
"""

"""Shared by all folders: errors, chunks, dtypes, small value classes, the native loader.

Imports no other folder of the package.
"""

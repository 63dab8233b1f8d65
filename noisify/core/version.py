"""The version, as a constant because looking up the installed package is slow."""

VERSION = "0.1.0"

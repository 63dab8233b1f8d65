"""The version, here so that `--version` need not look for what is installed, which is slow."""

VERSION = "0.1.0"

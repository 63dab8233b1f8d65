"""Options for noise that tests of several folders share."""

IN_ORDER = {
    "pink": ("-d", "pink", "-s", "1"),
    "drift": ("-d", "drift", "-s", "1"),
    "shuffle": ("-d", "shuffle", "--rate", "50%", "-p", "window=32"),
    "stuck": ("-d", "stuck", "--rate", "50%", "-p", "run=20"),
    "timing-jitter": ("-d", "timing-jitter", "-s", "2"),
}
"""Models that follow the order of the values, most of which look at neighbours."""

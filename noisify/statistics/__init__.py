"""Statistics of whole fields, the same to the bit however the data are cut.

Chunks go in; mean, standard deviation, range and quantiles come out, for levels and reports.
"""

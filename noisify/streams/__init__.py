"""Random streams: from seed, field, model and position to random numbers.

A model asks for variates; a stream's name and an element's index give them, in any order.
"""

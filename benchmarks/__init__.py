"""Product and peer under the same load, side by side; ``make bench`` (design §6).

Linux with two CPUs or more: one serves, the other holds load generator, database and everything else.
"""

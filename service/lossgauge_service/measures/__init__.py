"""What is found from a whole sample and not pixel by pixel, a noun a file: a key, its record, and how it is measured.

Records add up over samples as sums do; what is not a number (a ranking, a set of distances) adds up by joining.
"""

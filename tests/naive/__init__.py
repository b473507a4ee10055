"""A slow second implementation of every method, written from the formulas with loops, to test against."""

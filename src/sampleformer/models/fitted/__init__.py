"""Models that are fitted at once to the training part, beside those that are trained in steps."""

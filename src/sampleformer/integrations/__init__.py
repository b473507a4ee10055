"""Weights and layouts of other libraries, one folder each. None of those libraries is needed."""

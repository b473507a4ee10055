"""Studies on real data, which are run by hand."""

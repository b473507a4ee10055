"""Known models to measure against, written from their publications, and how they are trained as baselines."""

"""Published sets of point clouds."""

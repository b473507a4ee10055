"""Point clouds: reads them from files of points and meshes, thins them out, and turns, scales and disturbs them."""

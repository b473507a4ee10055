"""What a layer costs: time and memory against the number of tokens."""

"""What layers and their parts cost in time and memory, and how near estimates come to what they estimate."""

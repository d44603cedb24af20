"""What a made example must survive: one file per filter."""

"""Teachers: which a study tunes, how, what stands in the way, and who opens them."""

"""Side by side with the peers: one command each, never imported by the package."""

"""What pages are made of, and how figures and tables look, whatever they show."""

"""Training a student: methods, batches and the loop."""

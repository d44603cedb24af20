"""What an example means: how it is shown, how an answer is read, which metrics count."""

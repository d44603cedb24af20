"""Teachers: requests out, answers or typed failures back."""

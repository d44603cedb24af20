"""What a study will take, told before anything is called or loaded."""

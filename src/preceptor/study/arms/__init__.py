"""Making an arm: what a teacher is asked, what it answers, what is kept and told of that."""

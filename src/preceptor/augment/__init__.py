"""What a teacher does: one file per operation. Requests out, candidates or rejections back."""

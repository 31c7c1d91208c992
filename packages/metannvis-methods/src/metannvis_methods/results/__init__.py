"""What a call returns: explanations, comparisons, and files of them."""

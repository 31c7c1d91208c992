"""Results: explanations, comparisons, and files of them."""

"""A call on its way: request, arguments, preparation, execution, and the result in the caller's layout."""

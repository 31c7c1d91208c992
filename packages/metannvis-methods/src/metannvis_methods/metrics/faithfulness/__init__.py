"""Faithfulness: whether the output follows what the map says of the inputs."""

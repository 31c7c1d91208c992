"""The main job on real input: two small networks, the methods of the other framework's toolkit, pictures."""

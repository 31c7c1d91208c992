"""One interface to the introspection methods of Captum and tf-keras-vis, whatever framework the model was built in."""

"""A trained model as a web service."""

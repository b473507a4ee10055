"""Recipes: one YAML file per published or ready-to-run setting."""

from sampleformer.recipes.library import load, names, read, text
from sampleformer.recipes.request import request
from sampleformer.training.recipe import Recipe, change

__all__ = ["Recipe", "change", "load", "names", "read", "request", "text"]

"""Dissimilarity of activations, their geometry, and pictures of them."""

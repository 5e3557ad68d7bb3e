"""Layouts that several studies train: torchvision's networks with a width, under torchvision's state-dict names."""

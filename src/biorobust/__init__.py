"""Brain-inspired robustness, reproduced: four published reports re-run from raw data and attacked in earnest."""

__version__ = "0.1.0"

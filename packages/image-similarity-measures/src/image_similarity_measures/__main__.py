"""``python -m image_similarity_measures``."""

from .cli import main

main()

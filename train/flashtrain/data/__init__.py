"""Image sets: their standard layouts, splits, and augmented batches."""

from .memory import Images
from .sources import SOURCES, Source, locate, picture_source, read, read_pictures, split

__all__ = ["Images", "SOURCES", "Source", "locate", "picture_source", "read", "read_pictures", "split"]

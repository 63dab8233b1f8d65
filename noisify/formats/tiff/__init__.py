"""TIFF images: `layout` finds where the pixels are, `source` reads and writes them there."""

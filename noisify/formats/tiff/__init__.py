"""TIFF images: `layout` locates the samples in the file, `source` reads and overwrites them."""

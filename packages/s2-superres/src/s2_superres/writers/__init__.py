"""From windows of pixels to a file."""

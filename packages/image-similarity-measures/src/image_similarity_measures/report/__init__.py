"""From two images or files to a report, and its forms."""

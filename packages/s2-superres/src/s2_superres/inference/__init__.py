"""From a product, or from arrays, to sharpened bands."""

"""Training networks on folders of patches."""

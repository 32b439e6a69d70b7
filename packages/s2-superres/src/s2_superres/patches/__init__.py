"""Folders of training patches, and what they are cut from."""

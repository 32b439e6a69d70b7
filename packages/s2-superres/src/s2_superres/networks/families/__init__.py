"""The families of networks, a module each: whatever lies here is found, see `networks.family`."""

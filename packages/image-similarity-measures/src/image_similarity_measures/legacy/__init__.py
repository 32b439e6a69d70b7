"""Version 0.3: its functions, its reading and its command, bug for bug."""

"""A small Hub on this machine, for tests and for `socsci210 demo --hub`: both sides of the protocol that the public clients speak."""

"""Import of the released SocSci210."""

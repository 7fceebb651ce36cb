"""The evaluate module (`socsci210.py`) and its mathematics (the other files, numpy only), which the scorer uses as well."""

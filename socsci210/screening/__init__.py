"""Screening: a new experiment put to simulated people before anybody pays for a sample, with how far the answer may be believed."""

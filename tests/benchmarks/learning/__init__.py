"""Runs of training whose learning is compared."""

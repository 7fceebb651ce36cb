"""Tests of fetching, against a server on this machine that speaks the APIs of the sources."""

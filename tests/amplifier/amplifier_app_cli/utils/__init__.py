"""Stands in for Amplifier."""

"""Maths against references, and laws."""

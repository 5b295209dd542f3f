"""Tests: what must hold, and the references that say what the numbers are."""

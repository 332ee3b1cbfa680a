"""Fuzzing: calls of everything public with random, often awkward arguments."""

"""Whole traces judged: a model of each root operation, of the times and the calls of its traces together."""

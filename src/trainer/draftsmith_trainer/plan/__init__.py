"""Estimates a training run from configs alone: parameters, operations, memory and time. Imports no torch."""

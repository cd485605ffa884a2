"""What a training will cost, from configs alone: parameters, operations, memory and time. Imports no torch."""

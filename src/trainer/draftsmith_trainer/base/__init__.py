"""What every room uses and no tensor is needed for: errors, events, job files, atomic files, locks, signals."""

"""What a data set is worth before training: faults, duplicates, leaks between splits, doubtful masks; and a split without leaks."""

"""From a configuration to a checkpoint: networks, steps, optimisers, sampling, resuming."""

"""From a checkpoint to a release folder that is proven, or to none."""

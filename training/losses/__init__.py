"""Every loss of the paper, one file each; `objective` is the only place with weights."""

"""The contract between training and service, the networks, and the released models. Importing it loads no torch."""

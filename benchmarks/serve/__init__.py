"""The serving core against its peers: the same bundle, one machine, one run."""

"""What the literature computes and where libraries differ, each by its name: the service's own numbers."""

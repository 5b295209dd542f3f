"""The contract: the real client against the real service, over loopback."""

"""What the service is relied on for, as figures: the quick ones are tests, the long ones `scripts/soak`."""

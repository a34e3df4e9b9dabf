"""What people bought: kept sealed, shown to its buyer, and masked for everyone else."""

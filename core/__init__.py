"""What must be trusted: database, keys, identity, policy, ledger, jobs, letters and the web's plumbing."""

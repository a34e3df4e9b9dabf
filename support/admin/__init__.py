"""Administration: accounts of staff, and what the policy is doing."""

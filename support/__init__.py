"""What the business does: shoppers, orders, the desk, review, privacy, administration."""

"""The shopper's side: her chat page, agreeing and starting, proving an address, and her orders."""

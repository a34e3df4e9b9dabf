"""Privacy at work: periods kept, copies given, people forgotten, and the policy for everybody to read."""

"""My data: what a person sees, asks for, stops and deletes by herself, without writing to anybody (clause 5(1))."""

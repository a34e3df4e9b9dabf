"""Keys: the weekly rotation of the key-encryption keys, what stands where, and the proof that all of them open."""

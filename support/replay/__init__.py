"""Replay: plays recorded dialogues through the real sockets and checks that every acknowledged message stands."""

"""Conversations as numbered logs, live sockets, presence and transcripts."""

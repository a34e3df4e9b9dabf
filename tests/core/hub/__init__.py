"""The hub: hints within a process, between processes, and over wires that break."""

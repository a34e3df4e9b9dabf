"""Disclosure: the only way in which what we keep about somebody reaches a third party."""

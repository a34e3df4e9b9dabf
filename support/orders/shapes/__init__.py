"""The spellings in which shops hand their orders over; each module reads one and knows nothing of where it goes."""

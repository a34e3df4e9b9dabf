"""The collector of garbage, told what a server knows: what is there when it starts serving stays until it ends.

Danger. Left alone, the collector walks through some two hundred thousand objects of the libraries every few thousand
messages, and nobody is answered for a third of a second.

Principle. Those objects are set aside once, before the first visitor comes. What is made after that is collected as
ever, in larger portions: a few hundred messages under way are not garbage each time we look.
"""

import gc
from typing import Final

PORTIONS: Final = (20_000, 20, 20)


def set_aside() -> None:
    """Clear up for the last time and never walk through what is left again. Only for a process that serves."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*PORTIONS)

"""Rights at work: what people ask of us about their own data, the clock that runs from then, and our answer."""

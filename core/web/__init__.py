"""The web's plumbing: rendering, assets, headers, request forgery, languages."""

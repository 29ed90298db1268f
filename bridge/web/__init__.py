"""A page to look at: what `bridge status`, `bridge dead` and `bridge trace` say, in a browser."""

"""A demonstration: real servers, invented customers, a relay, and the proof that nothing was lost."""

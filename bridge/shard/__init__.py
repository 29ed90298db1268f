"""The protocol of one shard: what is read, claimed, published, in which order. Reaches no server."""

"""Avro schemas, and the compiled writers of their values."""

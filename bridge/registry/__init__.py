"""Everything that speaks to the schema registry."""

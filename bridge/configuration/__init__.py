"""From file and environment to `Settings`: where each value came from, and everything that is wrong with it."""

"""The process that carries events."""

"""What `bridge doctor` looks at, one subject a module."""

"""What a person asks or decides; one noun a module, and a command of its own."""

"""The command line: parses, wires, prints. One file a command; the work is done in the module that it names."""

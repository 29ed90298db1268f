select bridge.repair_numbers()

select bridge.refresh_tracking()

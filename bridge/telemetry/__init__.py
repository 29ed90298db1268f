"""What a process says about itself: health, metrics, traces; and how it is asked over HTTP."""

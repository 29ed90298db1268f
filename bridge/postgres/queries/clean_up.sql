select target, removed from bridge.clean_up(%(most)s)

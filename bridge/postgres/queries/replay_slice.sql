select parked, passed, left_to, is_last
  from bridge.replay_slice(%(id)s, %(rules)s::text[], %(topics)s::text[], %(most)s::integer)

select bridge.enable_tracking(%(table)s::oid::regclass, %(name)s, %(event_type)s, %(exclude)s::text[], %(mask)s::text[],
                              %(activity)s, %(truncate_rows)s, %(key)s::text[], %(replicated)s, %(event_key)s)

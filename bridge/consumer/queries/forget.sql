delete from bridge_inbox.received as r
 using unnest(%(sources)s::text[], %(ids)s::text[]) as f (ce_source, ce_id)
 where r.consumer_group = %(group)s and r.ce_source = f.ce_source and r.ce_id = f.ce_id

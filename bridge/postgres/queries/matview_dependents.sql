-- What depends on a materialised view that a file of sql/ would create anew; null where nothing does, or it would not.
select bridge.matview_dependents(%(name)s, %(definition)s)

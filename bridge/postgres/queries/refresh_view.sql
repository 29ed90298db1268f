-- Refresh one materialised view; how that went.
select outcome, detail from bridge.refresh_view(%(matview)s)

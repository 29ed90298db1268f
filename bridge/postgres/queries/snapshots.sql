-- The snapshots of a table, or of all, the latest first. `is_as_tracked`: the table is still tracked as it was then.
select s.id, s.tracked_id, s.relation, s.entity_type as name, s.condition, s.rows_read, s.rows_written, s.rows_guessed, s.state,
       s.started_at, s.changed_at, s.started_by,
       exists (select from bridge.tracked_table as t
                where t.id = s.tracked_id and t.entity_type = s.entity_type and t.key = s.key) as is_as_tracked
  from bridge.snapshot as s
 where %(table)s::oid is null or s.tracked_id = (select t.id from bridge.tracked_table as t where t.relation = %(table)s::oid)
 order by s.id desc
 limit %(most)s

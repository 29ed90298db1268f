-- SQLite: ids that only the topics have.
select id from unknown

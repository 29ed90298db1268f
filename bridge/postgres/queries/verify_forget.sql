-- SQLite: what was only read to know where the topics begin.
delete from seen where at not between :since and :until

-- How our session is encrypted, and whom our certificate names.
select ssl as is_encrypted, version, cipher, client_dn as client
  from pg_stat_ssl
 where pid = pg_backend_pid()

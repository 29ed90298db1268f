select number, path, rows, bytes, sha256, checksum
  from bridge.cold_file
 where partition = %(id)s
 order by number

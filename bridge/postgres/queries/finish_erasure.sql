update bridge.erasure
   set finished_at = clock_timestamp(), remains = %(remains)s
 where id = %(id)s
returning places

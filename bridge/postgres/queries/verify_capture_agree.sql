(not exists (
    select from jsonb_each({before}) as b
      join jsonb_each({after}) as a on a.key = b.key
     where a.value <> b.value and a.value #>> '{{}}' is distinct from b.value #>> '{{}}'
       and '"[masked]"' not in (a.value, b.value)))

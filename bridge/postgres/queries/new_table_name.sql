-- A name that a person gives to a table that is to be, in full; in the schema of another one where they name none.
select parts, format('%%I.%%I', parts[1], parts[2]) as shown
  from (select array[coalesce(given.parts[array_length(given.parts, 1) - 1], former.parts[1]),
                     given.parts[array_length(given.parts, 1)]] as parts
          from (select parse_ident(%(name)s) as parts) as given,
               (select parse_ident(%(former)s) as parts) as former) as whole

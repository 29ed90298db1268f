-- Each procedure writes the events `first` + 1 to `first` + `amount`, each in a transaction of its own, as applications do.
create procedure public.fill_bridge(first bigint, amount integer, text_length integer)
    language plpgsql
as $$
begin
    for n in first + 1..first + amount loop
        insert into bridge.event_queue (event_type, event_key, payload)
        values ('bench.happened', 'key ' || n, jsonb_build_object('n', n, 'text', repeat('x', text_length)));
        commit;
    end loop;
end $$;

create procedure public.fill_function(first bigint, amount integer, text_length integer)
    language plpgsql
as $$
begin
    for n in first + 1..first + amount loop
        perform bridge.publish_event('bench.happened', 'key ' || n,
                                     jsonb_build_object('n', n, 'text', repeat('x', text_length)));
        commit;
    end loop;
end $$;

-- For a caller that needs no order, or holds a row's lock behind the key.
create procedure public.fill_function_unserialized(first bigint, amount integer, text_length integer)
    language plpgsql
as $$
begin
    for n in first + 1..first + amount loop
        perform bridge.publish_event('bench.happened', 'key ' || n,
                                     jsonb_build_object('n', n, 'text', repeat('x', text_length)), serialize => false);
        commit;
    end loop;
end $$;

-- What table partitions cost a writer, and the view.
create table public.unpartitioned (like bridge.outbox including all);

create procedure public.fill_unpartitioned(first bigint, amount integer, text_length integer)
    language plpgsql
as $$
begin
    for n in first + 1..first + amount loop
        insert into public.unpartitioned (shard, event_type, event_key, payload)
        values (0, 'bench.happened', 'key ' || n, jsonb_build_object('n', n, 'text', repeat('x', text_length)));
        commit;
    end loop;
end $$;

-- The peer's outbox, as its documentation describes it.
create table public.outbox (
    id            uuid primary key default gen_random_uuid(),
    aggregatetype text not null,
    aggregateid   text not null,
    type          text not null,
    payload       jsonb not null
);

create publication bench for table public.outbox with (publish = 'insert');

create procedure public.fill_debezium(first bigint, amount integer, text_length integer)
    language plpgsql
as $$
begin
    for n in first + 1..first + amount loop
        insert into public.outbox (aggregatetype, aggregateid, type, payload)
        values ('debezium', 'key ' || n, 'bench.happened',
                jsonb_build_object('n', n, 'text', repeat('x', text_length)));
        commit;
    end loop;
end $$;

-- As libraries send statements that were not prepared: each is parsed and planned anew.
create procedure public.fill_anew(statement text, first bigint, amount integer, text_length integer)
    language plpgsql
as $$
begin
    for n in first + 1..first + amount loop
        execute statement using 'key ' || n, jsonb_build_object('n', n, 'text', repeat('x', text_length));
        commit;
    end loop;
end $$;

create procedure public.fill_bridge_anew(first bigint, amount integer, text_length integer)
    language plpgsql
as $$
begin
    call public.fill_anew('insert into bridge.event_queue (event_type, event_key, payload)'
                          ' values (''bench.happened'', $1, $2)', first, amount, text_length);
end $$;

create procedure public.fill_function_anew(first bigint, amount integer, text_length integer)
    language plpgsql
as $$
begin
    call public.fill_anew('select bridge.publish_event(''bench.happened'', $1, $2)', first, amount, text_length);
end $$;

create procedure public.fill_debezium_anew(first bigint, amount integer, text_length integer)
    language plpgsql
as $$
begin
    call public.fill_anew('insert into public.outbox (aggregatetype, aggregateid, type, payload)'
                          ' values (''debezium'', $1, ''bench.happened'', $2)', first, amount, text_length);
end $$;

-- Always, because a session with session_replication_role = replica may track a table, too.
create or replace trigger bridge_answer before insert on bridge.tracking_request
    for each row execute function bridge.answer_request();

alter table bridge.tracking_request enable always trigger bridge_answer;

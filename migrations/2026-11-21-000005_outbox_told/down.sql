DROP POLICY outbox_worker_update ON app.outbox;
REVOKE UPDATE (told_at) ON app.outbox FROM frontdesk_worker;
DROP INDEX app.outbox_pending;
ALTER TABLE app.outbox DROP COLUMN told_at;

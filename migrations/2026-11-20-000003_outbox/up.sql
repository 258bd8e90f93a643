-- Events that committed with their changes and wait to be told. No reference to users: the event of a deletion
-- outlives the user.
CREATE TABLE app.outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    user_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    body jsonb NOT NULL CHECK (jsonb_typeof(body) = 'object')
);
CREATE INDEX outbox_user_id ON app.outbox (user_id, seq);
CREATE INDEX outbox_occurred_at ON app.outbox (occurred_at);

ALTER TABLE app.outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

GRANT INSERT ON app.outbox TO frontdesk_app;
GRANT SELECT, DELETE ON app.outbox TO frontdesk_worker;

CREATE POLICY outbox_insert ON app.outbox FOR INSERT TO frontdesk_app
    WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));

-- A worker sees every user's rows, and only while it says which job it does.
CREATE POLICY outbox_worker_select ON app.outbox FOR SELECT TO frontdesk_worker
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'outbox');
CREATE POLICY outbox_worker_delete ON app.outbox FOR DELETE TO frontdesk_worker
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'outbox');

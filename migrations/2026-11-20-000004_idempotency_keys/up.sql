-- Claims on idempotency keys, and the answers that fulfilled them. No reference to users: a key is claimed before its
-- request makes one.
CREATE TABLE app.idempotency_keys (
    principal text NOT NULL CHECK (char_length(principal) BETWEEN 1 AND 500),
    route text NOT NULL CHECK (char_length(route) BETWEEN 1 AND 500),
    key text NOT NULL CHECK (char_length(key) BETWEEN 1 AND 255),
    user_id uuid NOT NULL,
    token uuid NOT NULL,
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    claimed_at timestamptz NOT NULL,
    status smallint CHECK (status BETWEEN 100 AND 599),
    body bytea,
    PRIMARY KEY (principal, route, key),
    CONSTRAINT idempotency_keys_answer CHECK ((status IS NULL) = (body IS NULL))
);
CREATE INDEX idempotency_keys_user_id ON app.idempotency_keys (user_id);
CREATE INDEX idempotency_keys_claimed_at ON app.idempotency_keys (claimed_at);

ALTER TABLE app.idempotency_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, UPDATE, DELETE ON app.idempotency_keys TO frontdesk_app;
GRANT SELECT, DELETE ON app.idempotency_keys TO frontdesk_worker;

-- A row belongs to its principal and to nobody else: the retry of a registration has another candidate user.
CREATE POLICY idempotency_keys_select ON app.idempotency_keys FOR SELECT TO frontdesk_app
    USING (principal = (SELECT NULLIF(current_setting('app.principal', true), '')));
CREATE POLICY idempotency_keys_insert ON app.idempotency_keys FOR INSERT TO frontdesk_app
    WITH CHECK (principal = (SELECT NULLIF(current_setting('app.principal', true), '')));
CREATE POLICY idempotency_keys_update ON app.idempotency_keys FOR UPDATE TO frontdesk_app
    USING (principal = (SELECT NULLIF(current_setting('app.principal', true), '')))
    WITH CHECK (principal = (SELECT NULLIF(current_setting('app.principal', true), '')));
CREATE POLICY idempotency_keys_delete ON app.idempotency_keys FOR DELETE TO frontdesk_app
    USING (principal = (SELECT NULLIF(current_setting('app.principal', true), '')));

CREATE POLICY idempotency_keys_worker_select ON app.idempotency_keys FOR SELECT TO frontdesk_worker
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'idempotency');
CREATE POLICY idempotency_keys_worker_delete ON app.idempotency_keys FOR DELETE TO frontdesk_worker
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'idempotency');

-- The row of a deleted account stays as its tombstone: in this table, so that whoever makes an account anew, in one
-- statement, meets it on the primary key. Checked and indexed in one go: no release has filled these tables yet.
ALTER TABLE app.users
    ADD COLUMN deleted_at timestamptz,
    ADD COLUMN receipt_id uuid,
    ADD CONSTRAINT users_tombstone CHECK (
        (deleted_at IS NULL) = (receipt_id IS NULL)
        AND (deleted_at IS NULL OR (password_hash IS NULL AND claim_open_until IS NULL))
    );
CREATE INDEX users_deleted_at ON app.users (deleted_at) WHERE deleted_at IS NOT NULL;

-- Until when nobody may take the name of a deleted account. NULL where the name is somebody's. A user has one name at a
-- time; one who comes back after a deletion may take another while the old one still rests.
ALTER TABLE app.login_names
    DROP CONSTRAINT login_names_pkey,
    DROP CONSTRAINT profiles_username_key_unique,
    ADD CONSTRAINT profiles_username_key_unique PRIMARY KEY (username_key),
    ADD COLUMN rests_until timestamptz;
CREATE INDEX login_names_user_id ON app.login_names (user_id);
CREATE UNIQUE INDEX login_names_one_for_a_user ON app.login_names (user_id) WHERE rests_until IS NULL;
CREATE INDEX login_names_rests_until ON app.login_names (rests_until) WHERE rests_until IS NOT NULL;

CREATE TABLE app.sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES app.users (id) ON DELETE CASCADE,
    device varchar(100),
    app_type varchar(50),
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    authenticated_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    family_digest bytea NOT NULL CHECK (octet_length(family_digest) = 32),
    current_digest bytea NOT NULL CHECK (octet_length(current_digest) = 32),
    previous_digest bytea CHECK (octet_length(previous_digest) = 32),
    sealed_refresh bytea CHECK (octet_length(sealed_refresh) = 32),
    rotated_at timestamptz NOT NULL,
    access_token_id uuid NOT NULL,
    CONSTRAINT sessions_previous CHECK ((previous_digest IS NULL) = (sealed_refresh IS NULL))
);
CREATE INDEX sessions_user_id ON app.sessions (user_id, created_at DESC, id DESC);
CREATE INDEX sessions_expires_at ON app.sessions (expires_at);

-- What is refused although its signature is good. No reference to users: the refusal outlives the user.
CREATE TABLE app.revocations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id uuid NOT NULL,
    session_id uuid,
    cut_at timestamptz,
    reach text NOT NULL CHECK (reach IN ('session', 'foreign', 'all')),
    until timestamptz NOT NULL,
    CONSTRAINT revocations_reach CHECK (
        (session_id IS NOT NULL) = (reach = 'session') AND (cut_at IS NULL) = (reach = 'session')
    )
);
CREATE INDEX revocations_user_id ON app.revocations (user_id);
CREATE INDEX revocations_until ON app.revocations (until);

-- How trusted issuers name a user. The limits keep a key within what an index takes.
CREATE TABLE app.identities (
    issuer text NOT NULL CHECK (octet_length(issuer) BETWEEN 1 AND 1024),
    subject text NOT NULL CHECK (octet_length(subject) BETWEEN 1 AND 1024),
    user_id uuid NOT NULL REFERENCES app.users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_user_id ON app.identities (user_id);

ALTER TABLE app.sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE app.revocations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE app.identities ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, UPDATE, DELETE ON app.sessions TO frontdesk_app;
GRANT SELECT, INSERT ON app.revocations TO frontdesk_app;
GRANT SELECT, INSERT, DELETE ON app.identities TO frontdesk_app;

CREATE POLICY sessions_select ON app.sessions FOR SELECT TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY sessions_insert ON app.sessions FOR INSERT TO frontdesk_app
    WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY sessions_update ON app.sessions FOR UPDATE TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid))
    WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY sessions_delete ON app.sessions FOR DELETE TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));

CREATE POLICY revocations_select ON app.revocations FOR SELECT TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY revocations_insert ON app.revocations FOR INSERT TO frontdesk_app
    WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));

CREATE POLICY identities_select ON app.identities FOR SELECT TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY identities_insert ON app.identities FOR INSERT TO frontdesk_app
    WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY identities_delete ON app.identities FOR DELETE TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));

-- A deletion clears what it may see: so each of these comes with a policy to see by. Of the outbox the service sees
-- whose a row is, and no more.
GRANT DELETE ON app.profiles, app.user_settings, app.notification_preferences, app.login_names TO frontdesk_app;
GRANT SELECT (user_id), DELETE ON app.outbox TO frontdesk_app;

CREATE POLICY login_names_delete ON app.login_names FOR DELETE TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY profiles_delete ON app.profiles FOR DELETE TO frontdesk_app
    USING (id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY user_settings_delete ON app.user_settings FOR DELETE TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY notification_preferences_delete ON app.notification_preferences FOR DELETE TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY outbox_select ON app.outbox FOR SELECT TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY outbox_delete ON app.outbox FOR DELETE TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));

-- A key belongs to its principal; what was answered under it goes with the user whom it tells of.
ALTER POLICY idempotency_keys_select ON app.idempotency_keys USING (
    principal = (SELECT NULLIF(current_setting('app.principal', true), ''))
    OR user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid)
);
ALTER POLICY idempotency_keys_delete ON app.idempotency_keys USING (
    principal = (SELECT NULLIF(current_setting('app.principal', true), ''))
    OR user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid)
);

-- The worker reaches what is over, and no account that lives.
GRANT SELECT, DELETE ON app.users, app.login_names, app.sessions, app.revocations TO frontdesk_worker;

CREATE POLICY users_worker_select ON app.users FOR SELECT TO frontdesk_worker
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'accounts' AND deleted_at IS NOT NULL);
CREATE POLICY users_worker_delete ON app.users FOR DELETE TO frontdesk_worker
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'accounts' AND deleted_at IS NOT NULL);
CREATE POLICY login_names_worker_select ON app.login_names FOR SELECT TO frontdesk_worker
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'accounts' AND rests_until IS NOT NULL);
CREATE POLICY login_names_worker_delete ON app.login_names FOR DELETE TO frontdesk_worker
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'accounts' AND rests_until IS NOT NULL);
CREATE POLICY sessions_worker_select ON app.sessions FOR SELECT TO frontdesk_worker
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'sessions');
CREATE POLICY sessions_worker_delete ON app.sessions FOR DELETE TO frontdesk_worker
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'sessions');
CREATE POLICY revocations_worker_select ON app.revocations FOR SELECT TO frontdesk_worker
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'sessions');
CREATE POLICY revocations_worker_delete ON app.revocations FOR DELETE TO frontdesk_worker
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'sessions');

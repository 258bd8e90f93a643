DROP POLICY login_names_worker_delete ON app.login_names;
DROP POLICY login_names_worker_select ON app.login_names;
DROP POLICY users_worker_delete ON app.users;
DROP POLICY users_worker_select ON app.users;
REVOKE SELECT, DELETE ON app.users, app.login_names FROM frontdesk_worker;

ALTER POLICY idempotency_keys_delete ON app.idempotency_keys
    USING (principal = (SELECT NULLIF(current_setting('app.principal', true), '')));
ALTER POLICY idempotency_keys_select ON app.idempotency_keys
    USING (principal = (SELECT NULLIF(current_setting('app.principal', true), '')));

DROP POLICY outbox_delete ON app.outbox;
DROP POLICY outbox_select ON app.outbox;
DROP POLICY notification_preferences_delete ON app.notification_preferences;
DROP POLICY user_settings_delete ON app.user_settings;
DROP POLICY profiles_delete ON app.profiles;
DROP POLICY login_names_delete ON app.login_names;
REVOKE SELECT (user_id), DELETE ON app.outbox FROM frontdesk_app;
REVOKE DELETE ON app.profiles, app.user_settings, app.notification_preferences, app.login_names FROM frontdesk_app;

DROP TABLE app.identities;
DROP TABLE app.revocations;
DROP TABLE app.sessions;

-- Without the columns a tombstone would be an account, and a name that rests a name to sign in with.
ALTER TABLE app.users NO FORCE ROW LEVEL SECURITY;
DELETE FROM app.users WHERE deleted_at IS NOT NULL;
ALTER TABLE app.users FORCE ROW LEVEL SECURITY;
ALTER TABLE app.login_names NO FORCE ROW LEVEL SECURITY;
DELETE FROM app.login_names WHERE rests_until IS NOT NULL;
ALTER TABLE app.login_names FORCE ROW LEVEL SECURITY;

ALTER TABLE app.login_names
    DROP COLUMN rests_until,
    DROP CONSTRAINT profiles_username_key_unique,
    ADD CONSTRAINT profiles_username_key_unique UNIQUE (username_key),
    ADD PRIMARY KEY (user_id);
DROP INDEX app.login_names_user_id;
ALTER TABLE app.users DROP CONSTRAINT users_tombstone, DROP COLUMN receipt_id, DROP COLUMN deleted_at;

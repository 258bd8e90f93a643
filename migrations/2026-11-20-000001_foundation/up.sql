-- The schemas, the roles and the table of applied migrations are there before the first migration: the runner makes
-- them (see README.md).

GRANT USAGE ON SCHEMA app TO frontdesk_app, frontdesk_worker;

-- Keys that the service makes at its first start. The owner's alone: no grant follows.
CREATE TABLE system.server_secrets (
    name text PRIMARY KEY CHECK (char_length(name) BETWEEN 1 AND 100),
    value bytea NOT NULL CHECK (octet_length(value) BETWEEN 16 AND 65536),
    created_at timestamptz NOT NULL DEFAULT now()
);
REVOKE ALL ON system.server_secrets FROM PUBLIC;

-- Every picture of which files may exist. No reference to users: a row outlives the account, until the files are gone.
CREATE TABLE app.pictures (
    user_id uuid NOT NULL,
    picture bytea NOT NULL CHECK (octet_length(picture) = 16),
    bytes bigint NOT NULL CHECK (bytes >= 0),
    created_at timestamptz NOT NULL,
    -- From when on the files may go. NULL while the profile shows the picture.
    purge_after timestamptz,
    -- Until when files may be on their way to the store, and in how many uploads.
    reserved_until timestamptz,
    uploads integer NOT NULL CHECK (uploads >= 0),
    -- Until when one worker has it to itself.
    claimed_until timestamptz,
    PRIMARY KEY (user_id, picture)
);
CREATE INDEX pictures_purge_after ON app.pictures (purge_after) WHERE purge_after IS NOT NULL;

ALTER TABLE app.pictures ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, UPDATE ON app.pictures TO frontdesk_app;
GRANT SELECT, UPDATE (claimed_until), DELETE ON app.pictures TO frontdesk_worker;

CREATE POLICY pictures_select ON app.pictures FOR SELECT TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY pictures_insert ON app.pictures FOR INSERT TO frontdesk_app
    WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY pictures_update ON app.pictures FOR UPDATE TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid))
    WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));

-- What a profile shows is no business of the worker's.
CREATE POLICY pictures_worker_select ON app.pictures FOR SELECT TO frontdesk_worker
    USING (purge_after IS NOT NULL AND (SELECT NULLIF(current_setting('app.job', true), '')) = 'pictures');
CREATE POLICY pictures_worker_update ON app.pictures FOR UPDATE TO frontdesk_worker
    USING (purge_after IS NOT NULL AND (SELECT NULLIF(current_setting('app.job', true), '')) = 'pictures')
    WITH CHECK ((SELECT NULLIF(current_setting('app.job', true), '')) = 'pictures');
CREATE POLICY pictures_worker_delete ON app.pictures FOR DELETE TO frontdesk_worker
    USING (purge_after IS NOT NULL AND claimed_until IS NOT NULL
        AND (SELECT NULLIF(current_setting('app.job', true), '')) = 'pictures');

-- When the relay handed the event to the bus. What nobody has told yet is pending, and no purge removes it.
ALTER TABLE app.outbox ADD COLUMN told_at timestamptz;

-- Holds what is pending and no more, so asking for it costs the same however much there is to purge. Not made
-- CONCURRENTLY: the purge keeps the table at ten minutes of events.
CREATE INDEX outbox_pending ON app.outbox (seq) WHERE told_at IS NULL;

GRANT UPDATE (told_at) ON app.outbox TO frontdesk_worker;

CREATE POLICY outbox_worker_update ON app.outbox FOR UPDATE TO frontdesk_worker
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'outbox')
    WITH CHECK ((SELECT NULLIF(current_setting('app.job', true), '')) = 'outbox');

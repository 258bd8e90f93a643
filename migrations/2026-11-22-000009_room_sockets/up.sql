-- What is counted over all nodes: the sockets of a user, and that a ticket opens one of them.

-- How many sockets the user has in the room on the node. A node of an earlier version says nothing: it counts as one.
ALTER TABLE app.room_presences ADD COLUMN sockets integer NOT NULL DEFAULT 1 CHECK (sockets >= 0);

GRANT UPDATE (sockets) ON app.room_presences TO frontdesk_app;

CREATE POLICY room_presences_update ON app.room_presences FOR UPDATE TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms')
    WITH CHECK ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');

-- The tickets that were taken. What a ticket says is sealed in it; here stands only that it cannot be taken again.
CREATE TABLE app.room_tickets (
    id uuid PRIMARY KEY,
    ends_at timestamptz NOT NULL
);
CREATE INDEX room_tickets_ends_at ON app.room_tickets (ends_at);

ALTER TABLE app.room_tickets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, DELETE ON app.room_tickets TO frontdesk_app;

CREATE POLICY room_tickets_select ON app.room_tickets FOR SELECT TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY room_tickets_insert ON app.room_tickets FOR INSERT TO frontdesk_app
    WITH CHECK ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY room_tickets_delete ON app.room_tickets FOR DELETE TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');

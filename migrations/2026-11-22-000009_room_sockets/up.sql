-- What is counted over all nodes: the sockets of a user, and that a ticket opens one of them.

-- How many sockets a user has on a node, as the node counted them last. A node of an earlier version says nothing.
CREATE TABLE app.room_sockets (
    user_id uuid NOT NULL,
    node_id uuid NOT NULL,
    sockets integer NOT NULL CHECK (sockets >= 0),
    -- Grows with each time that the node counts: what it says arrives in any order.
    serial bigint NOT NULL CHECK (serial >= 0),
    said_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, node_id)
);

ALTER TABLE app.room_sockets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, UPDATE (sockets, serial, said_at), DELETE ON app.room_sockets TO frontdesk_app;

CREATE POLICY room_sockets_select ON app.room_sockets FOR SELECT TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY room_sockets_insert ON app.room_sockets FOR INSERT TO frontdesk_app
    WITH CHECK ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY room_sockets_update ON app.room_sockets FOR UPDATE TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms')
    WITH CHECK ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY room_sockets_delete ON app.room_sockets FOR DELETE TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');

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

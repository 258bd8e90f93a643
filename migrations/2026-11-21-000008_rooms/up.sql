-- Who is in which room, and the logs of the rooms. What holds several tables together is the lock on the row of the
-- room, which every writer takes first: no reference to users, so that the end of an account waits for no room and no
-- room for it.
CREATE TABLE app.rooms (
    -- In the order of bytes, which is the same everywhere: whoever locks several rooms does so in this order.
    id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9_.:-]{1,128}$'),
    epoch uuid NOT NULL,
    last_offset bigint NOT NULL CHECK (last_offset >= 0)
);

CREATE TABLE app.room_members (
    room_id text COLLATE "C" NOT NULL,
    user_id uuid NOT NULL,
    -- NULL while the user is there.
    left_at timestamptz,
    -- The end of the log when the user came in first: what was said before is none of their business.
    heard_from bigint NOT NULL CHECK (heard_from >= 0),
    PRIMARY KEY (user_id, room_id)
);
-- Gives who is there, in order, however many were.
CREATE INDEX room_members_present ON app.room_members (room_id, user_id) WHERE left_at IS NULL;
CREATE INDEX room_members_room_id ON app.room_members (room_id);
CREATE INDEX room_members_left_at ON app.room_members (left_at) WHERE left_at IS NOT NULL;

CREATE TABLE app.room_presences (
    room_id text COLLATE "C" NOT NULL,
    user_id uuid NOT NULL,
    node_id uuid NOT NULL,
    PRIMARY KEY (user_id, room_id, node_id)
);
CREATE INDEX room_presences_node_id ON app.room_presences (node_id);

-- Until when those on a node count as present without a word from the node. Where there is no row, they do not.
CREATE TABLE app.room_nodes (
    node_id uuid PRIMARY KEY,
    leased_until timestamptz NOT NULL
);

CREATE TABLE app.room_entries (
    room_id text COLLATE "C" NOT NULL,
    room_offset bigint NOT NULL CHECK (room_offset >= 1),
    event_id uuid NOT NULL,
    user_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    posted_at timestamptz NOT NULL,
    body jsonb NOT NULL CHECK (jsonb_typeof(body) = 'object'),
    PRIMARY KEY (room_id, room_offset),
    CONSTRAINT room_entries_once UNIQUE (event_id, room_id)
);
CREATE INDEX room_entries_user_id ON app.room_entries (user_id);
CREATE INDEX room_entries_posted_at ON app.room_entries (posted_at);

ALTER TABLE app.rooms ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE app.room_members ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE app.room_presences ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE app.room_nodes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE app.room_entries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, UPDATE, DELETE ON app.rooms, app.room_members, app.room_nodes TO frontdesk_app;
GRANT SELECT, INSERT, DELETE ON app.room_presences, app.room_entries TO frontdesk_app;

-- A room shows each who is there, so its rows are nobody's alone: they are seen while the service says that it is about
-- rooms, and never while it acts for a user alone.
CREATE POLICY rooms_select ON app.rooms FOR SELECT TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY rooms_insert ON app.rooms FOR INSERT TO frontdesk_app
    WITH CHECK ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY rooms_update ON app.rooms FOR UPDATE TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms')
    WITH CHECK ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY rooms_delete ON app.rooms FOR DELETE TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');

CREATE POLICY room_members_select ON app.room_members FOR SELECT TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY room_members_insert ON app.room_members FOR INSERT TO frontdesk_app
    WITH CHECK ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY room_members_update ON app.room_members FOR UPDATE TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms')
    WITH CHECK ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY room_members_delete ON app.room_members FOR DELETE TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');

CREATE POLICY room_presences_select ON app.room_presences FOR SELECT TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY room_presences_insert ON app.room_presences FOR INSERT TO frontdesk_app
    WITH CHECK ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY room_presences_delete ON app.room_presences FOR DELETE TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');

CREATE POLICY room_nodes_select ON app.room_nodes FOR SELECT TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY room_nodes_insert ON app.room_nodes FOR INSERT TO frontdesk_app
    WITH CHECK ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY room_nodes_update ON app.room_nodes FOR UPDATE TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms')
    WITH CHECK ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY room_nodes_delete ON app.room_nodes FOR DELETE TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');

CREATE POLICY room_entries_select ON app.room_entries FOR SELECT TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY room_entries_insert ON app.room_entries FOR INSERT TO frontdesk_app
    WITH CHECK ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');
CREATE POLICY room_entries_delete ON app.room_entries FOR DELETE TO frontdesk_app
    USING ((SELECT NULLIF(current_setting('app.job', true), '')) = 'rooms');

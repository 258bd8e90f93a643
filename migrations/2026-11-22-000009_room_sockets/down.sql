DROP TABLE app.room_tickets;
DROP POLICY room_presences_update ON app.room_presences;
REVOKE UPDATE (sockets) ON app.room_presences FROM frontdesk_app;
ALTER TABLE app.room_presences DROP COLUMN sockets;

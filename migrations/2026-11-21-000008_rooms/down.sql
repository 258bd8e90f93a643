DROP TABLE app.room_entries;
DROP TABLE app.room_nodes;
DROP TABLE app.room_presences;
DROP TABLE app.room_members;
DROP TABLE app.rooms;

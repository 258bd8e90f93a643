DROP TABLE app.room_tickets;
DROP TABLE app.room_sockets;

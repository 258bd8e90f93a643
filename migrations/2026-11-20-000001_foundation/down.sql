DROP TABLE system.server_secrets;

REVOKE USAGE ON SCHEMA app FROM frontdesk_app, frontdesk_worker;

DROP TABLE app.notification_preferences;
DROP TABLE app.user_settings;
DROP TABLE app.login_names;
DROP TABLE app.profiles;
DROP TABLE app.users;

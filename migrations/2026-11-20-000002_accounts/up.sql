CREATE TABLE app.users (
    id uuid PRIMARY KEY,
    password_hash text CHECK (char_length(password_hash) BETWEEN 1 AND 1000),
    claim_open_until timestamptz,
    created_at timestamptz NOT NULL
);

CREATE TABLE app.profiles (
    id uuid PRIMARY KEY REFERENCES app.users (id) ON DELETE CASCADE,
    username varchar(32) CHECK (username COLLATE "C" ~ '^[A-Za-z0-9_.-]{3,32}$'),
    display_name varchar(100),
    first_name varchar(100),
    last_name varchar(100),
    avatar_url text CHECK (char_length(avatar_url) <= 2048),
    avatar_urls jsonb CHECK (jsonb_typeof(avatar_urls) = 'object'),
    email varchar(255),
    email_verified boolean NOT NULL DEFAULT false,
    phone varchar(20),
    bio text CHECK (char_length(bio) <= 2000),
    company varchar(200),
    job_title varchar(200),
    location varchar(200),
    website text CHECK (char_length(website) <= 2048),
    linkedin_username varchar(100),
    github_username varchar(100),
    twitter_username varchar(100),
    timezone varchar(100) NOT NULL DEFAULT 'UTC',
    language varchar(10) NOT NULL DEFAULT 'en',
    public_profile boolean NOT NULL DEFAULT false,
    email_notifications boolean NOT NULL DEFAULT true,
    marketing_emails boolean NOT NULL DEFAULT false,
    preferences jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(preferences) = 'object'),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    CONSTRAINT profiles_verified_email CHECK (email IS NOT NULL OR NOT email_verified)
);

-- The comparison forms of usernames, apart from all else: a sign-in has only a name, and must see nothing more of
-- whoever it belongs to. The domain decides the form; the check only holds it to it, without the collation of the
-- database, in which I may have another small letter.
CREATE TABLE app.login_names (
    user_id uuid PRIMARY KEY REFERENCES app.users (id) ON DELETE CASCADE,
    username_key varchar(32) NOT NULL CHECK (username_key COLLATE "C" ~ '^[a-z0-9_.-]{3,32}$'),
    CONSTRAINT profiles_username_key_unique UNIQUE (username_key)
);

CREATE TABLE app.user_settings (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL UNIQUE REFERENCES app.users (id) ON DELETE CASCADE,
    theme varchar(20) NOT NULL DEFAULT 'system' CHECK (theme IN ('light', 'dark', 'system')),
    compact_mode boolean NOT NULL DEFAULT false,
    default_view varchar(20) NOT NULL DEFAULT 'grid' CHECK (default_view IN ('grid', 'list')),
    items_per_page integer NOT NULL DEFAULT 20 CHECK (items_per_page BETWEEN 5 AND 200),
    show_thumbnails boolean NOT NULL DEFAULT true,
    auto_expand_folders boolean NOT NULL DEFAULT false,
    confirm_delete boolean NOT NULL DEFAULT true,
    show_activity boolean NOT NULL DEFAULT true,
    allow_analytics boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 1 CHECK (version >= 1)
);

CREATE TABLE app.notification_preferences (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL UNIQUE REFERENCES app.users (id) ON DELETE CASCADE,
    email_enabled boolean NOT NULL DEFAULT true,
    push_enabled boolean NOT NULL DEFAULT false,
    sms_enabled boolean NOT NULL DEFAULT false,
    crawl_jobs_enabled boolean NOT NULL DEFAULT true,
    datasets_enabled boolean NOT NULL DEFAULT true,
    billing_enabled boolean NOT NULL DEFAULT true,
    security_enabled boolean NOT NULL DEFAULT true,
    marketing_enabled boolean NOT NULL DEFAULT false,
    product_updates_enabled boolean NOT NULL DEFAULT true,
    digest_frequency varchar(20) NOT NULL DEFAULT 'daily'
        CHECK (digest_frequency IN ('realtime', 'daily', 'weekly', 'never')),
    quiet_hours_start time,
    quiet_hours_end time,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    CONSTRAINT notification_preferences_quiet_hours CHECK ((quiet_hours_start IS NULL) = (quiet_hours_end IS NULL))
);

ALTER TABLE app.users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE app.profiles ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE app.login_names ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE app.user_settings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE app.notification_preferences ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, UPDATE ON app.users TO frontdesk_app;
GRANT SELECT, INSERT, UPDATE ON app.profiles TO frontdesk_app;
GRANT SELECT, INSERT, UPDATE ON app.login_names TO frontdesk_app;
GRANT SELECT, INSERT, UPDATE ON app.user_settings TO frontdesk_app;
GRANT SELECT, INSERT, UPDATE ON app.notification_preferences TO frontdesk_app;

CREATE POLICY users_select ON app.users FOR SELECT TO frontdesk_app
    USING (id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY users_insert ON app.users FOR INSERT TO frontdesk_app
    WITH CHECK (id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY users_update ON app.users FOR UPDATE TO frontdesk_app
    USING (id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid))
    WITH CHECK (id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));

CREATE POLICY profiles_select ON app.profiles FOR SELECT TO frontdesk_app
    USING (id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY profiles_insert ON app.profiles FOR INSERT TO frontdesk_app
    WITH CHECK (id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY profiles_update ON app.profiles FOR UPDATE TO frontdesk_app
    USING (id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid))
    WITH CHECK (id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));

-- At a sign-in nobody is in scope yet, only the name that was typed: it shows the one row that has it.
CREATE POLICY login_names_select ON app.login_names FOR SELECT TO frontdesk_app
    USING (
        user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid)
        OR username_key = (SELECT NULLIF(current_setting('app.login_name', true), ''))
    );
CREATE POLICY login_names_insert ON app.login_names FOR INSERT TO frontdesk_app
    WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY login_names_update ON app.login_names FOR UPDATE TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid))
    WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));

CREATE POLICY user_settings_select ON app.user_settings FOR SELECT TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY user_settings_insert ON app.user_settings FOR INSERT TO frontdesk_app
    WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY user_settings_update ON app.user_settings FOR UPDATE TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid))
    WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));

CREATE POLICY notification_preferences_select ON app.notification_preferences FOR SELECT TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY notification_preferences_insert ON app.notification_preferences FOR INSERT TO frontdesk_app
    WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY notification_preferences_update ON app.notification_preferences FOR UPDATE TO frontdesk_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid))
    WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));

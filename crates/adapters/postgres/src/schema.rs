//! The tables as the stores see them. Kept by hand; a test compares it with `information_schema`.

/// The names of all of them.
pub(crate) const TABLES: [&str; 18] = [
    "users",
    "profiles",
    "login_names",
    "user_settings",
    "notification_preferences",
    "outbox",
    "idempotency_keys",
    "sessions",
    "revocations",
    "identities",
    "pictures",
    "rooms",
    "room_members",
    "room_presences",
    "room_nodes",
    "room_entries",
    "room_sockets",
    "room_tickets",
];

diesel::table! {
    app.users (id) {
        id -> Uuid,
        password_hash -> Nullable<Text>,
        claim_open_until -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
        receipt_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    app.profiles (id) {
        id -> Uuid,
        username -> Nullable<Varchar>,
        display_name -> Nullable<Varchar>,
        first_name -> Nullable<Varchar>,
        last_name -> Nullable<Varchar>,
        avatar_url -> Nullable<Text>,
        avatar_urls -> Nullable<Jsonb>,
        email -> Nullable<Varchar>,
        email_verified -> Bool,
        phone -> Nullable<Varchar>,
        bio -> Nullable<Text>,
        company -> Nullable<Varchar>,
        job_title -> Nullable<Varchar>,
        location -> Nullable<Varchar>,
        website -> Nullable<Text>,
        linkedin_username -> Nullable<Varchar>,
        github_username -> Nullable<Varchar>,
        twitter_username -> Nullable<Varchar>,
        timezone -> Varchar,
        language -> Varchar,
        public_profile -> Bool,
        email_notifications -> Bool,
        marketing_emails -> Bool,
        preferences -> Jsonb,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> BigInt,
    }
}

diesel::table! {
    app.login_names (username_key) {
        user_id -> Uuid,
        username_key -> Varchar,
        rests_until -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    app.user_settings (id) {
        id -> Uuid,
        user_id -> Uuid,
        theme -> Varchar,
        compact_mode -> Bool,
        default_view -> Varchar,
        items_per_page -> Integer,
        show_thumbnails -> Bool,
        auto_expand_folders -> Bool,
        confirm_delete -> Bool,
        show_activity -> Bool,
        allow_analytics -> Bool,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> BigInt,
    }
}

diesel::table! {
    app.notification_preferences (id) {
        id -> Uuid,
        user_id -> Uuid,
        email_enabled -> Bool,
        push_enabled -> Bool,
        sms_enabled -> Bool,
        crawl_jobs_enabled -> Bool,
        datasets_enabled -> Bool,
        billing_enabled -> Bool,
        security_enabled -> Bool,
        marketing_enabled -> Bool,
        product_updates_enabled -> Bool,
        digest_frequency -> Varchar,
        quiet_hours_start -> Nullable<Time>,
        quiet_hours_end -> Nullable<Time>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> BigInt,
    }
}

diesel::table! {
    app.outbox (seq) {
        seq -> BigInt,
        id -> Uuid,
        user_id -> Uuid,
        occurred_at -> Timestamptz,
        body -> Jsonb,
        told_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    app.idempotency_keys (principal, route, key) {
        principal -> Text,
        route -> Text,
        key -> Text,
        user_id -> Uuid,
        token -> Uuid,
        fingerprint -> Bytea,
        claimed_at -> Timestamptz,
        status -> Nullable<SmallInt>,
        body -> Nullable<Bytea>,
    }
}

diesel::table! {
    app.sessions (id) {
        id -> Uuid,
        user_id -> Uuid,
        device -> Nullable<Varchar>,
        app_type -> Nullable<Varchar>,
        created_at -> Timestamptz,
        last_seen_at -> Timestamptz,
        authenticated_at -> Timestamptz,
        expires_at -> Timestamptz,
        family_digest -> Bytea,
        current_digest -> Bytea,
        previous_digest -> Nullable<Bytea>,
        sealed_refresh -> Nullable<Bytea>,
        rotated_at -> Timestamptz,
        access_token_id -> Uuid,
    }
}

diesel::table! {
    app.revocations (id) {
        id -> BigInt,
        user_id -> Uuid,
        session_id -> Nullable<Uuid>,
        cut_at -> Nullable<Timestamptz>,
        reach -> Text,
        until -> Timestamptz,
    }
}

diesel::table! {
    app.identities (issuer, subject) {
        issuer -> Text,
        subject -> Text,
        user_id -> Uuid,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    app.pictures (user_id, picture) {
        user_id -> Uuid,
        picture -> Bytea,
        bytes -> BigInt,
        created_at -> Timestamptz,
        purge_after -> Nullable<Timestamptz>,
        reserved_until -> Nullable<Timestamptz>,
        uploads -> Integer,
        claimed_until -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    app.rooms (id) {
        id -> Text,
        epoch -> Uuid,
        last_offset -> BigInt,
    }
}

diesel::table! {
    app.room_members (user_id, room_id) {
        room_id -> Text,
        user_id -> Uuid,
        left_at -> Nullable<Timestamptz>,
        heard_from -> BigInt,
    }
}

diesel::table! {
    app.room_presences (user_id, room_id, node_id) {
        room_id -> Text,
        user_id -> Uuid,
        node_id -> Uuid,
    }
}

diesel::table! {
    app.room_nodes (node_id) {
        node_id -> Uuid,
        leased_until -> Timestamptz,
    }
}

diesel::table! {
    app.room_entries (room_id, room_offset) {
        room_id -> Text,
        room_offset -> BigInt,
        event_id -> Uuid,
        user_id -> Uuid,
        occurred_at -> Timestamptz,
        posted_at -> Timestamptz,
        body -> Jsonb,
    }
}

diesel::table! {
    app.room_sockets (user_id, node_id) {
        user_id -> Uuid,
        node_id -> Uuid,
        sockets -> Integer,
        serial -> BigInt,
        said_at -> Timestamptz,
    }
}

diesel::table! {
    app.room_tickets (id) {
        id -> Uuid,
        ends_at -> Timestamptz,
    }
}

diesel::allow_tables_to_appear_in_same_query!(rooms, room_members, room_entries);
diesel::allow_tables_to_appear_in_same_query!(room_presences, room_sockets, room_nodes);
diesel::allow_tables_to_appear_in_same_query!(users, profiles, user_settings, notification_preferences);

#[cfg(test)]
mod tests {
    #[test]
    fn every_table_is_in_the_list() {
        let written = include_str!("schema.rs").lines().filter_map(|line| line.strip_prefix("    app."));
        let names: Vec<&str> = written.filter_map(|line| line.split_once(" (")).map(|(name, _)| name).collect();
        assert_eq!(names, super::TABLES);
    }
}

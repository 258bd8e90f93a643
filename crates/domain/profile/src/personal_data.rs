//! What this domain holds about a user.

use frontdesk_kernel::personal::{Holding, InExport, OnDeletion};

/// Every table in which this domain keeps anything of a user.
pub const HOLDINGS: &[Holding] = &[
    Holding {
        table: "users",
        on_deletion: OnDeletion::Scrubbed("the tombstone: it stops older tokens from bringing the account back"),
        in_export: InExport::Section("account"),
    },
    Holding { table: "profiles", on_deletion: OnDeletion::Erased, in_export: InExport::Section("profile") },
    Holding {
        table: "login_names",
        on_deletion: OnDeletion::Scrubbed("the username rests for 30 days, so that nobody can pass for its owner"),
        in_export: InExport::Section("profile"),
    },
    Holding { table: "user_settings", on_deletion: OnDeletion::Erased, in_export: InExport::Section("settings") },
    Holding {
        table: "notification_preferences",
        on_deletion: OnDeletion::Erased,
        in_export: InExport::Section("notification_preferences"),
    },
    Holding { table: "sessions", on_deletion: OnDeletion::Erased, in_export: InExport::Section("sessions") },
    Holding {
        table: "pictures",
        on_deletion: OnDeletion::Scrubbed("until its files are gone, somebody has to know of a picture"),
        in_export: InExport::Section("pictures"),
    },
    Holding { table: "identities", on_deletion: OnDeletion::Erased, in_export: InExport::Section("identities") },
    Holding {
        table: "revocations",
        on_deletion: OnDeletion::Scrubbed("until the last token has run out, its refusal is remembered"),
        in_export: InExport::Omitted("ids of sessions that are over, of no use to anybody"),
    },
    Holding {
        table: "outbox",
        on_deletion: OnDeletion::Scrubbed("the event of the deletion itself has to be told"),
        in_export: InExport::Omitted("names of changed fields, kept for ten minutes"),
    },
    Holding {
        table: "idempotency_keys",
        on_deletion: OnDeletion::Erased,
        in_export: InExport::Omitted("answers already given, kept for a day"),
    },
];

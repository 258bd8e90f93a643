//! What this domain holds about a user.

use frontdesk_kernel::personal::{Holding, InExport, OnDeletion};

/// What the rooms hear of last is the deletion: until it is in their logs, it has to be known which rooms those are.
const TOLD_FIRST: OnDeletion =
    OnDeletion::Scrubbed("the rooms are told of the deletion first; what they know is removed as that is posted");

/// Every table in which this domain keeps anything of a user.
pub const HOLDINGS: &[Holding] = &[
    Holding {
        table: "room_members",
        on_deletion: TOLD_FIRST,
        in_export: InExport::Omitted("names of rooms, kept for a day"),
    },
    Holding {
        table: "room_presences",
        on_deletion: TOLD_FIRST,
        in_export: InExport::Omitted("which sockets are open just now"),
    },
    Holding {
        table: "room_sockets",
        on_deletion: OnDeletion::Scrubbed(
            "the sockets are closed; it is removed ten minutes later, or after the node ended",
        ),
        in_export: InExport::Omitted("how many sockets are open just now"),
    },
    Holding {
        table: "room_entries",
        on_deletion: OnDeletion::Scrubbed("names of changed fields, which others may still ask for, for ten minutes"),
        in_export: InExport::Omitted("names of changed fields, kept for ten minutes"),
    },
];

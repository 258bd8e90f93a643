//! How far a conversation has come.

use frontdesk_rooms::Position;

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first frame has to say who it is.
    Asking,
    /// On the way in; for another time, where the room had been forgotten.
    Entering {
        is_again: bool,
    },
    /// `welcome` was said.
    Live {
        /// Where it came in: what comes later is told without being asked for.
        since: Position,
        /// Up to where was told.
        told: u64,
        /// From where on the user may hear of it.
        heard_from: u64,
        /// Whether what came before was told again already.
        is_replayed: bool,
    },
    Over,
}

/// What can be told of what came after a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resumable {
    /// It was told, or will be.
    Told,
    /// It has to be read.
    Read,
    /// Not all of it is there, or not for this user.
    Gone,
}

impl Phase {
    /// The beginning, at a place in a log.
    pub(super) const fn live_at(position: Position, heard_from: u64) -> Self {
        Self::Live { since: position, told: position.offset, heard_from, is_replayed: false }
    }

    /// What came after `since` was told, or will be: only what came before it has to be read.
    pub(super) fn resumable(&self, from: Position) -> Resumable {
        let Self::Live { since, told, heard_from, .. } = *self else { return Resumable::Told };
        if from.epoch != since.epoch || from.offset > told {
            Resumable::Gone
        } else if from.offset >= since.offset {
            Resumable::Told
        } else if from.offset < heard_from {
            Resumable::Gone
        } else {
            Resumable::Read
        }
    }
}

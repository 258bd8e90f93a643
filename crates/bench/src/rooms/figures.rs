//! What was measured, beside its targets.

use crate::histogram::Histogram;
use crate::report::{Bound, Line, Table, Unit};

/// One room with so many members.
pub(super) struct Room {
    pub(super) members: usize,
    /// From an edit to its last frame.
    pub(super) latencies: Histogram,
    /// From the first of as many sends to the last frame, without a server.
    pub(super) bare: Histogram,
    /// Frames told in a second.
    pub(super) rate: f64,
}

/// What sockets cost that hear nothing.
pub(super) struct Idle {
    pub(super) sockets: usize,
    /// Of resident memory, for each.
    pub(super) bytes: f64,
}

/// Edits without and with a reader who does not read.
pub(super) struct Stall {
    pub(super) without: Histogram,
    pub(super) with: Histogram,
    /// Whether the server closed that reader in the end.
    pub(super) is_closed: bool,
}

pub(super) struct Figures {
    pub(super) rooms: Vec<Room>,
    pub(super) idle: Idle,
    pub(super) stall: Stall,
}

impl Figures {
    pub(super) fn targets(&self) -> Table {
        let line = |what: String, bound, unit, figure| Line { what, bound, unit, figure: Some(figure) };
        let mut lines = Vec::new();
        for Room { members, latencies, rate, bare: _ } in &self.rooms {
            let to_the_last = |share: &str| format!("{members} members, edit to last frame, {share}");
            let (p50, p99) = (latencies.percentile(50), latencies.percentile(99));
            if *members <= 1_000 {
                lines.push(line(to_the_last("p50"), Bound::AtMost(10.0), Unit::Millis, p50));
                lines.push(line(to_the_last("p99"), Bound::AtMost(15.0), Unit::Millis, p99));
            } else {
                lines.push(line(to_the_last("p50"), Bound::AtMost(40.0), Unit::Millis, p50));
            }
            let what = format!("{members} members, frames told a second");
            lines.push(line(what, Bound::AtLeast(120_000.0), Unit::Count, *rate));
        }
        let Idle { sockets, bytes } = self.idle;
        let what = format!("{sockets} idle sockets, bytes of each");
        lines.push(line(what, Bound::AtMost(12_288.0), Unit::Count, bytes));
        let Stall { without, with, is_closed } = &self.stall;
        let delay = with.percentile(99) - without.percentile(99);
        let what = "a reader who does not read delays the others, p99".to_owned();
        lines.push(line(what, Bound::AtMost(5.0), Unit::Millis, delay));
        let is_closed = f64::from(u8::from(*is_closed));
        lines.push(line("and is closed".to_owned(), Bound::AtLeast(1.0), Unit::Count, is_closed));
        Table::of_targets(&lines)
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&["edit to last frame, ms", "edits", "p50", "p99", "slowest"]);
        let mut row = |what: String, latencies: &Histogram| {
            let [p50, p99, slowest] = [50, 99, 100].map(|share| format!("{:.1}", latencies.percentile(share)));
            table.push(vec![what, latencies.total().to_string(), p50, p99, slowest]);
        };
        for room in &self.rooms {
            row(format!("{} members", room.members), &room.latencies);
            row(format!("{} sockets, sends alone", room.members), &room.bare);
        }
        row("long edits".to_owned(), &self.stall.without);
        row("long edits, one reader does not read".to_owned(), &self.stall.with);
        table
    }
}

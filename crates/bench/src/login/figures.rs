//! What the rounds gave, beside their targets.

use super::storm::Told;
use crate::histogram::Histogram;
use crate::load::Measured;
use crate::report::{Bound, Line, Table, Unit, median};

/// Reads without a storm, the storm, and the reads meanwhile.
pub(super) struct Round {
    pub(super) idle: Measured,
    pub(super) meanwhile: Measured,
    /// Signed in, for each second until the last one was.
    pub(super) rate: f64,
}

/// All figures of one store.
pub(super) struct Figures {
    pub(super) store: &'static str,
    pub(super) rounds: Vec<Round>,
    /// Of all rounds together.
    pub(super) told: Told,
    /// Resident memory after reads, before the first password is hashed; at its most; and when the last storm was over.
    pub(super) before_mib: f64,
    pub(super) peak_mib: f64,
    pub(super) after_mib: f64,
}

const MEGABYTES_IN_A_MEBIBYTE: f64 = 1.048_576;

impl Figures {
    fn middle(&self, figure: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        median(self.rounds.iter().filter_map(figure))
    }

    /// Of what was asked the first time, how much was granted.
    fn share_at_once(&self) -> f64 {
        f64::from(self.told.at_once) / count(self.told.signed_in.total()).max(1.0)
    }

    fn share_with_time(&self) -> Option<f64> {
        let refusals = self.told.refusals;
        (refusals > 0).then(|| f64::from(self.told.refusals_with_time) / f64::from(refusals))
    }

    fn lines(&self) -> Vec<Line> {
        let rate = self.middle(|round| Some(round.meanwhile.rate / round.idle.rate));
        let p99 = self.middle(|round| Some(round.meanwhile.p99_ms? / round.idle.p99_ms?));
        let hashing = (self.peak_mib - self.before_mib) * MEGABYTES_IN_A_MEBIBYTE;
        let line =
            |what: &str, bound, unit, figure| Line { what: format!("{}, {what}", self.store), bound, unit, figure };
        vec![
            line("reads meanwhile / without, rate", Bound::AtLeast(0.85), Unit::Ratio, rate),
            line("reads meanwhile / without, p99", Bound::AtMost(2.0), Unit::Ratio, p99),
            line(
                "slowest answer to a sign-in",
                Bound::AtMost(5_000.0),
                Unit::Millis,
                Some(self.told.answers.percentile(100)),
            ),
            line(
                "slowest caller signed in, refusals waited out",
                Bound::AtMost(5_000.0),
                Unit::Millis,
                Some(self.told.signed_in.percentile(100)),
            ),
            line("refusals that say when to come again", Bound::AtLeast(1.0), Unit::Ratio, self.share_with_time()),
            line("memory at its most, above that before", Bound::AtMost(100.0), Unit::Megabytes, Some(hashing)),
        ]
    }

    /// What is told of a store, in the order of the rows.
    fn rows(&self) -> Vec<(&'static str, String)> {
        let told = &self.told;
        let reads = |of: fn(&Round) -> &Measured| {
            let rate = self.middle(|round| Some(of(round).rate)).unwrap_or_default();
            let p50 = self.middle(|round| of(round).p50_ms).unwrap_or_default();
            let p99 = self.middle(|round| of(round).p99_ms).unwrap_or_default();
            format!("{rate:.0}, {p50:.2} / {p99:.2}")
        };
        let rate = self.middle(|round| Some(round.rate)).unwrap_or_default();
        let at_once = self.share_at_once() * 100.0;
        vec![
            ("reads without sign-ins: /s, p50 / p99 ms", reads(|round| &round.idle)),
            ("reads meanwhile: /s, p50 / p99 ms", reads(|round| &round.meanwhile)),
            ("signed in, /s", format!("{rate:.1}")),
            ("first requests answered 200 / 503", format!("{at_once:.0} % / {:.0} %", 100.0 - at_once)),
            ("200: p50 / p99 / slowest, ms", spread(&told.answers)),
            ("503: p50 / p99 / slowest, ms", spread(&told.refused)),
            ("until signed in: p50 / p99 / slowest, ms", spread(&told.signed_in)),
            (
                "resident before / at its most / after, MiB",
                format!("{:.1} / {:.1} / {:.1}", self.before_mib, self.peak_mib, self.after_mib),
            ),
        ]
    }
}

fn spread(latencies: &Histogram) -> String {
    if latencies.total() == 0 {
        return "-".to_owned();
    }
    let [p50, p99, slowest] = [50, 99, 100].map(|per_cent| latencies.percentile(per_cent));
    format!("{p50:.0} / {p99:.0} / {slowest:.0}")
}

fn count(total: u64) -> f64 {
    u32::try_from(total).map_or(f64::INFINITY, f64::from)
}

/// Targets beside figures.
pub(super) fn targets(stores: &[Figures]) -> Table {
    let lines: Vec<_> = stores.iter().flat_map(Figures::lines).collect();
    Table::of_targets(&lines)
}

/// Each store in absolute figures, side by side.
pub(super) fn table(stores: &[Figures]) -> Table {
    let head: Vec<_> = std::iter::once("").chain(stores.iter().map(|figures| figures.store)).collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for figures in stores {
        for (at, (name, figure)) in figures.rows().into_iter().enumerate() {
            match rows.get_mut(at) {
                Some(row) => row.push(figure),
                None => rows.push(vec![name.to_owned(), figure]),
            }
        }
    }
    let mut table = Table::new(&head);
    for row in rows {
        table.push(row);
    }
    table
}

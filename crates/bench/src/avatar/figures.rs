//! What was measured, beside the targets.

use crate::load::Measured;
use crate::report::{Bound, Line, Table, Unit, median};

const MEGABYTES_IN_A_MEBIBYTE: f64 = 1.048_576;

/// One upload and one run of the yardstick.
pub(super) struct Pair {
    pub(super) ours_ms: f64,
    pub(super) theirs_ms: Option<f64>,
    pub(super) their_peak_mib: Option<f64>,
}

/// The largest pictures at once, and reads before and meanwhile.
pub(super) struct Storm {
    pub(super) idle: Measured,
    pub(super) meanwhile: Measured,
    pub(super) answered: usize,
    pub(super) refused: usize,
    pub(super) slowest_ms: f64,
    pub(super) before_mib: f64,
    pub(super) peak_mib: f64,
}

pub(super) struct Figures {
    /// The most memory that one upload takes, above that before.
    pub(super) alone: f64,
    pub(super) pairs: Vec<Pair>,
    pub(super) storms: Vec<Storm>,
}

impl Figures {
    fn of_pairs(&self, figure: impl Fn(&Pair) -> Option<f64>) -> Option<f64> {
        median(self.pairs.iter().filter_map(figure))
    }

    fn of_storms(&self, figure: impl Fn(&Storm) -> Option<f64>) -> Option<f64> {
        median(self.storms.iter().filter_map(figure))
    }

    fn highest(&self) -> f64 {
        self.storms.iter().map(|storm| storm.peak_mib).fold(0.0, f64::max)
    }

    /// Targets beside figures.
    pub(super) fn targets(&self) -> Table {
        let line = |what: &str, bound, unit, figure| Line { what: what.to_owned(), bound, unit, figure };
        let ratio = self.of_pairs(|pair| Some(pair.ours_ms / pair.theirs_ms?));
        let p99 = self.of_storms(|storm| Some(storm.meanwhile.p99_ms? / storm.idle.p99_ms?));
        Table::of_targets(&[
            line("12 MP to four sizes, whole request / vipsthumbnail", Bound::AtMost(0.35), Unit::Ratio, ratio),
            line(
                "memory of one at its most, above that before",
                Bound::AtMost(40.0),
                Unit::Megabytes,
                Some(self.alone * MEGABYTES_IN_A_MEBIBYTE),
            ),
            line(
                "50 MP at once, memory of the whole process at its most",
                Bound::AtMost(300.0),
                Unit::Megabytes,
                Some(self.highest() * MEGABYTES_IN_A_MEBIBYTE),
            ),
            line("reads meanwhile / without, p99", Bound::AtMost(2.0), Unit::Ratio, p99),
        ])
    }

    /// The same in absolute figures.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&["", "median"]);
        let mut row = |name: &str, figure: String| table.push(vec![name.to_owned(), figure]);
        let shown = |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.1}"));
        row("12 MP to four sizes, whole request, ms", shown(self.of_pairs(|pair| Some(pair.ours_ms))));
        row("the same with vipsthumbnail, ms", shown(self.of_pairs(|pair| pair.theirs_ms)));
        row("memory of vipsthumbnail, MiB", shown(self.of_pairs(|pair| pair.their_peak_mib)));
        row("memory of one upload above that before, MiB", shown(Some(self.alone)));
        let counts = self.storms.iter().fold((0, 0), |(all, no), storm| (all + storm.answered, no + storm.refused));
        row("50 MP at once: answered 200 / 503, all storms", format!("{} / {}", counts.0, counts.1));
        row("slowest answer of a storm, ms", shown(self.of_storms(|storm| Some(storm.slowest_ms))));
        let memory = [self.of_storms(|storm| Some(storm.before_mib)), Some(self.highest())].map(shown);
        row("resident before / at its most, MiB", memory.join(" / "));
        for (name, of) in [
            ("reads without uploads: /s, p50 / p99 ms", (|storm| &storm.idle) as fn(&Storm) -> &Measured),
            ("reads meanwhile: /s, p50 / p99 ms", |storm| &storm.meanwhile),
        ] {
            let rate = self.of_storms(|storm| Some(of(storm).rate)).unwrap_or_default();
            let [p50, p99] = [self.of_storms(|storm| of(storm).p50_ms), self.of_storms(|storm| of(storm).p99_ms)]
                .map(|figure| figure.map_or("-".to_owned(), |figure| format!("{figure:.2}")));
            row(name, format!("{rate:.0}, {p50} / {p99}"));
        }
        table
    }
}

//! Memory that is kept from one piece of work to the next.

use std::any::Any;

/// What a thread of the pool keeps for its next piece of work: one value at most, and none once it had nothing to do
/// for a second.
///
/// A large buffer for each piece of work costs its page faults each time. Worse, the hole that it leaves in the heap
/// is too small for the next one as soon as a small value or the alignment takes a bit of it: 100 hashes of 19 MiB, one
/// after the other, left 97 to 154 MiB resident, and with kept memory 21.
#[derive(Debug, Default)]
pub struct Scratch(Option<Box<dyn Any>>);

impl Scratch {
    /// Lends the value that the last work left here, or the default one where there is none of this kind.
    ///
    /// After a panic it is gone: nobody knows what is in it.
    pub fn lend<S: Default + 'static, T>(&mut self, work: impl FnOnce(&mut S) -> T) -> T {
        // What is of another kind is dropped before its successor is made.
        let kept = self.0.take().and_then(|kept| kept.downcast().ok());
        let mut value: Box<S> = kept.unwrap_or_default();
        let outcome = work(&mut value);
        self.0 = Some(value);
        outcome
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

//! The memory that uploads may take while they are read and rendered, all together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Enough for 19 of the largest.
const LIMIT: usize = 96 * 1_024 * 1_024;

/// Counts the bytes of all uploads that this process has in memory. What is counted is what has come, not what was
/// announced: who sends slowly takes nothing from those who do not.
#[derive(Debug, Clone)]
pub(crate) struct UploadRoom {
    taken: Arc<AtomicUsize>,
    limit: usize,
}

/// What one upload takes; given back when dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    room: UploadRoom,
    bytes: usize,
}

/// The uploads of the moment take all that they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl UploadRoom {
    /// Empty.
    pub(crate) fn new() -> Self {
        Self::of(LIMIT)
    }

    fn of(limit: usize) -> Self {
        Self { taken: Arc::default(), limit }
    }

    /// Begins an upload.
    pub(crate) fn enter(&self) -> Taken {
        Taken { room: self.clone(), bytes: 0 }
    }
}

impl Taken {
    /// Takes room for bytes that have come.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let before = self.room.taken.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > self.room.limit {
            self.room.taken.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Full);
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Gives back what was taken: the bytes are gone.
    pub(crate) fn clear(&mut self) {
        self.room.taken.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_share_the_room_and_give_it_back() {
        let room = UploadRoom::of(10);
        let (mut first, mut second) = (room.enter(), room.enter());
        assert_eq!((first.grow(6), second.grow(4)), (Ok(()), Ok(())));
        // Whoever is refused takes nothing from the others.
        assert_eq!((second.grow(1), second.grow(2)), (Err(Full), Err(Full)));
        second.clear();
        assert_eq!(first.grow(4), Ok(()));
        drop(second);
        drop(first);
        assert_eq!(room.enter().grow(10), Ok(()));
    }
}

//! The line before rendering.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::Unavailable;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::head::MAX_MEMORY;

/// Uploads that are rendered at a time.
const SLOTS: usize = 2;
/// Uploads that may wait.
const LINE: usize = 32;
/// Memory that all that are rendered at a time may take together, in MiB: what the largest takes alone.
const BUDGET: usize = (MAX_MEMORY >> 20) as usize;
/// How long one of them waits. A photograph of 12 megapixels takes a tenth of a second, so that the last of a full line
/// is served; the largest pictures take some seconds, and then the last ones are sent away.
const PATIENCE: Duration = Duration::from_secs(15);

/// Lets a few uploads through at a time, and no more than fit into memory together.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    line: Arc<Semaphore>,
    slots: Arc<Semaphore>,
    memory: Arc<Semaphore>,
}

/// The right to render. It must go with the work: once it is dropped, the next one starts.
#[derive(Debug)]
pub(crate) struct Pass {
    _memory: OwnedSemaphorePermit,
    _slot: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            line: Arc::new(Semaphore::new(SLOTS + LINE)),
            slots: Arc::new(Semaphore::new(SLOTS)),
            memory: Arc::new(Semaphore::new(BUDGET)),
        }
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        let admitted = SLOTS + LINE - self.line.available_permits();
        admitted - (SLOTS - self.slots.available_permits())
    }

    /// Waits for a slot and for so many bytes of memory.
    pub(crate) async fn pass(&self, memory: u64) -> Result<Pass, Unavailable> {
        let place = Arc::clone(&self.line).try_acquire_owned();
        let place = place.map_err(|_| Unavailable::new("the line for pictures is full"))?;
        let mebibytes = memory.min(MAX_MEMORY).div_ceil(1 << 20);
        let mebibytes = u32::try_from(mebibytes).map_err(Unavailable::new)?;
        let admitted = async {
            let slot = Arc::clone(&self.slots).acquire_owned().await?;
            let memory = Arc::clone(&self.memory).acquire_many_owned(mebibytes).await?;
            Ok(Pass { _memory: memory, _slot: slot, _place: place })
        };
        let admitted = tokio::time::timeout(PATIENCE, admitted).await;
        let admitted = admitted.map_err(|_| Unavailable::new("the turn for a picture did not come in time"))?;
        admitted.map_err(|error: tokio::sync::AcquireError| Unavailable::new(error))
    }
}

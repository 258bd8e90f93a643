//! Randomness as an input.

use uuid::{Builder, Uuid};

use crate::Timestamp;

/// Gives random bytes.
///
/// # Contract
/// - The production implementation MUST be cryptographically secure: session ids and secrets are drawn from it.
pub trait Entropy: Send + Sync + 'static {
    /// Fills the buffer with random bytes.
    fn fill(&self, buffer: &mut [u8]);

    /// Makes a UUIDv7 (RFC 9562): sortable by the millisecond, 74 random bits.
    fn uuid_v7(&self, at: Timestamp) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        let millis = u64::try_from(at.unix_millis()).unwrap_or(0);
        Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

//! Tokens whose signature has been verified.
//!
//! What a token says and whether its signature is good never changes while the keys do not, so both are worked out
//! once. Whether it is *still* good (its times, its key, and what has been revoked) is judged at every use and is not
//! kept here.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 16;

/// How many tokens a shard remembers before it forgets all of them: some 6 MB in all, at 700 bytes each.
const MOST: usize = 512;

/// A longer token is verified each time: some tokens of others are long, and memory is bounded by their number.
const LONGEST_BYTES: usize = 2_048;

type Shard<T> = HashMap<Box<str>, T>;

/// What tokens say by their whole text; a digest would be shorter, and a second thing to trust.
pub(crate) struct VerifiedTokens<T> {
    shards: [Mutex<Shard<T>>; SHARDS],
    hasher: RandomState,
}

impl<T: Clone> VerifiedTokens<T> {
    pub(crate) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }

    fn shard(&self, token: &str) -> Option<MutexGuard<'_, Shard<T>>> {
        let hash = usize::try_from(self.hasher.hash_one(token) % SHARDS as u64).ok()?;
        Some(self.shards.get(hash)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn get(&self, token: &str) -> Option<T> {
        self.shard(token)?.get(token).cloned()
    }

    pub(crate) fn put(&self, token: &str, says: &T) {
        if token.len() > LONGEST_BYTES {
            return;
        }
        if let Some(mut shard) = self.shard(token) {
            if shard.len() >= MOST {
                shard.clear();
            }
            shard.insert(token.into(), says.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_by_forgetting() {
        let tokens = VerifiedTokens::new();
        for n in 0..SHARDS * MOST * 3 {
            tokens.put(&n.to_string(), &n);
        }
        let kept: usize = tokens.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(kept <= SHARDS * MOST, "{kept}");
    }

    #[test]
    fn a_long_token_is_not_remembered() {
        let tokens = VerifiedTokens::new();
        tokens.put(&"x".repeat(LONGEST_BYTES + 1), &1);
        assert_eq!(tokens.get(&"x".repeat(LONGEST_BYTES + 1)), None);
    }
}

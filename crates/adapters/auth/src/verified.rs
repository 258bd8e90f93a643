//! Tokens whose signature has been verified.
//!
//! What a token says and whether its signature is ours never changes, so both are worked out once. Whether it is
//! *still* good (its times, and what has been revoked) is judged at every use and is not kept here.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use frontdesk_profile::token::AccessClaims;

const SHARDS: usize = 16;

/// How many tokens a shard remembers before it forgets all of them: some 6 MB in all, at 700 bytes each.
const MOST: usize = 512;

type Shard = HashMap<Box<str>, AccessClaims>;

/// The claims of tokens by their whole text; a digest would be shorter, and a second thing to trust.
pub(crate) struct VerifiedTokens {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

impl VerifiedTokens {
    pub(crate) fn new() -> Self {
        Self { shards: Default::default(), hasher: RandomState::new() }
    }

    fn shard(&self, token: &str) -> Option<MutexGuard<'_, Shard>> {
        let hash = usize::try_from(self.hasher.hash_one(token) % SHARDS as u64).ok()?;
        Some(self.shards.get(hash)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn get(&self, token: &str) -> Option<AccessClaims> {
        self.shard(token)?.get(token).cloned()
    }

    pub(crate) fn put(&self, token: &str, claims: &AccessClaims) {
        if let Some(mut shard) = self.shard(token) {
            if shard.len() >= MOST {
                shard.clear();
            }
            shard.insert(token.into(), claims.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_kernel::{SessionId, Timestamp, UserId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn memory_is_bounded_by_forgetting() {
        let tokens = VerifiedTokens::new();
        let at = Timestamp::from_unix_seconds(0).unwrap();
        let claims = AccessClaims {
            user_id: UserId::new(Uuid::from_u128(1)),
            session_id: SessionId::new(Uuid::from_u128(2)),
            token_id: Uuid::from_u128(3),
            issued_at: at,
            expires_at: at,
            authenticated_at: at,
            claims_until: None,
        };
        for n in 0..SHARDS * MOST * 3 {
            tokens.put(&n.to_string(), &claims);
        }
        let kept: usize = tokens.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(kept <= SHARDS * MOST, "{kept}");
    }
}

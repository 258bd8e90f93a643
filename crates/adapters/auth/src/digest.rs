//! Digests for one purpose each.

use frontdesk_profile::refresh_token::SecretDigest;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// Digests secrets with SHA-256, each purpose apart from every other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sha256Digest;

/// Feeds a part with its length before it, so that no two lists of parts are the same text.
fn feed(hash: &mut Sha256, part: &[u8]) {
    hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(part);
}

impl SecretDigest for Sha256Digest {
    fn digest(&self, purpose: &'static str, secret: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        feed(&mut hash, purpose.as_bytes());
        hash.update(secret);
        hash.finalize().into()
    }
}

/// The UUID of version 8 (RFC 9562, section 5.8) that always stands for these names.
pub(crate) fn derived_id(purpose: &'static str, names: &[&str]) -> Uuid {
    let mut hash = Sha256::new();
    feed(&mut hash, purpose.as_bytes());
    for name in names {
        feed(&mut hash, name.as_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    let bytes = digest.first_chunk().copied().unwrap_or_default();
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_secret_for_another_purpose_has_another_digest() {
        let digest = |purpose| Sha256Digest.digest(purpose, b"secret");
        assert_eq!(digest("refresh"), digest("refresh"));
        assert_ne!(digest("refresh"), digest("reset"));
    }

    #[test]
    fn what_is_moved_from_the_purpose_to_the_secret_changes_the_digest() {
        assert_ne!(Sha256Digest.digest("ab", b"c"), Sha256Digest.digest("a", b"bc"));
    }

    #[test]
    fn a_derived_id_is_a_uuid_of_version_8_and_never_changes() {
        let id = derived_id("user", &["https://issuer.example.com", "auth0|1"]);
        assert_eq!(id.get_version_num(), 8);
        assert_eq!(id.to_string(), "d43bccc6-8fc5-8ecb-a352-df11c9516071");
    }

    #[test]
    fn names_that_run_into_each_other_make_other_ids() {
        assert_ne!(derived_id("user", &["ab", "c"]), derived_id("user", &["a", "bc"]));
        assert_ne!(derived_id("user", &["a"]), derived_id("session", &["a"]));
    }
}

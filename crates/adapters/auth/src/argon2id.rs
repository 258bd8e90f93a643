//! Password hashing.

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use async_trait::async_trait;
use frontdesk_cpu::CpuPool;
use frontdesk_kernel::Unavailable;
use frontdesk_profile::password::{Password, PasswordHash, PasswordHasher};

/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A hash of nothing anybody knows, with the parameters above. Verified against when there is no account, so that
/// an unknown user costs what a known one does.
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdG9mYXR3aW5saW5n$3yQBfIT9VtRY5oWsOXq2pfMTPzvGcPmDGJXHfVOBGTs";

/// Hashes with argon2id in the bounded CPU pool.
#[derive(Debug, Clone)]
pub struct Argon2Hasher {
    pool: CpuPool,
}

fn argon2id() -> Result<Argon2<'static>, Unavailable> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| Unavailable::new(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &Password) -> Result<PasswordHash, Unavailable> {
    let phc =
        argon2id()?.hash_password(password.expose().as_bytes()).map_err(|error| Unavailable::new(error.to_string()))?;
    Ok(PasswordHash::new(phc.to_string()))
}

fn verify(password: &Password, hash: Option<&PasswordHash>) -> Result<bool, Unavailable> {
    let phc = Phc::new(hash.map_or(DUMMY, PasswordHash::as_str))
        .map_err(|error| Unavailable::new(format!("a stored password hash is no PHC string: {error}")))?;
    let is_right = argon2id()?.verify_password(password.expose().as_bytes(), &phc).is_ok();
    Ok(is_right && hash.is_some())
}

impl Argon2Hasher {
    /// Hashes in a pool.
    pub const fn new(pool: CpuPool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl PasswordHasher for Argon2Hasher {
    async fn hash(&self, password: Password) -> Result<PasswordHash, Unavailable> {
        self.pool.run(move || hash(&password)).await.map_err(Unavailable::new)?
    }

    async fn verify(&self, password: Password, hash: Option<PasswordHash>) -> Result<bool, Unavailable> {
        self.pool.run(move || verify(&password, hash.as_ref())).await.map_err(Unavailable::new)?
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn hasher() -> Argon2Hasher {
        Argon2Hasher::new(CpuPool::new(1, 8, Duration::from_mins(1)))
    }

    #[tokio::test]
    async fn a_hash_has_the_parameters_and_a_salt_of_its_own() {
        let (one, two) = (
            hasher().hash(Password::typed("Str0ngPassw0rd!")).await.unwrap(),
            hasher().hash(Password::typed("Str0ngPassw0rd!")).await.unwrap(),
        );
        assert!(one.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.as_str());
        assert_ne!(one, two);
    }

    #[tokio::test]
    async fn only_the_same_password_verifies() {
        let hash = hasher().hash(Password::typed("Str0ngPassw0rd!")).await.unwrap();
        assert!(hasher().verify(Password::typed("Str0ngPassw0rd!"), Some(hash.clone())).await.unwrap());
        assert!(!hasher().verify(Password::typed("str0ngPassw0rd!"), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn without_a_hash_the_work_is_done_and_the_answer_is_no() {
        assert!(Phc::new(DUMMY).is_ok());
        assert!(!hasher().verify(Password::typed("anything at all"), None).await.unwrap());
    }
}

//! Password hashing.

use std::cell::RefCell;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt};
use argon2::password_hash::{self, CustomizedPasswordHasher, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Block, Params, Version};
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

/// Blocks of 1 KiB that argon2 works in, kept by a thread of the pool while one hash follows another.
///
/// Argon2 writes each block before it reads it, so what the last hash left does not matter to the next. It is not
/// wiped: a second after the last hash the pool drops it, and `ROOM` sees to it that the pages go then.
#[derive(Default)]
struct Blocks(Vec<Block>);

impl Blocks {
    /// Room for a little more than 32 MiB, whatever is used of it.
    ///
    /// From there on glibc maps every allocation apart and unmaps it when it is freed. A smaller one it would take
    /// from the heap the second time, and keep there. Room that is not used is not resident.
    const ROOM: usize = 33 * 1024;

    fn at_least(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            // First the old ones go, so that no two lots are there at once.
            self.0 = Vec::new();
            self.0.reserve_exact(count.max(Self::ROOM));
            self.0.resize(count, Block::new());
        }
        &mut self.0
    }
}

/// argon2 in blocks that are lent to it; the crate's own hasher allocates them for each hash.
struct InBlocks<'a>(RefCell<&'a mut Blocks>);

impl<'a> InBlocks<'a> {
    const fn new(blocks: &'a mut Blocks) -> Self {
        Self(RefCell::new(blocks))
    }
}

/// Brings `verify_password` with it, which takes the parameters from the hash and compares in constant time.
impl CustomizedPasswordHasher<Phc> for InBlocks<'_> {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<password_hash::Version>,
        params: Params,
    ) -> password_hash::Result<Phc> {
        let algorithm = algorithm.map(Algorithm::try_from).transpose()?.unwrap_or_default();
        let version = version.map(Version::try_from).transpose()?.unwrap_or_default();
        let phc_params = ParamsString::try_from(&params)?;
        let mut output = [0; Output::MAX_LENGTH];
        let output_len = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let output = output.get_mut(..output_len).ok_or(password_hash::Error::OutputSize)?;
        let mut blocks = self.0.borrow_mut();
        let blocks = blocks.at_least(params.block_count());
        Argon2::new(algorithm, version, params).hash_password_into_with_memory(password, salt, output, blocks)?;
        Ok(Phc {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: phc_params,
            salt: Some(Salt::new(salt)?),
            hash: Some(Output::new(output)?),
        })
    }
}

fn hash(password: &Password, blocks: &mut Blocks) -> Result<PasswordHash, Unavailable> {
    let failed = |error: password_hash::Error| Unavailable::new(error.to_string());
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| Unavailable::new(error.to_string()))?;
    let salt = password_hash::try_generate_salt().map_err(|error| Unavailable::new(error.to_string()))?;
    let password = password.expose().as_bytes();
    let phc = InBlocks::new(blocks).hash_password_with_params(password, &salt, params).map_err(failed)?;
    Ok(PasswordHash::new(phc.to_string()))
}

fn verify(password: &Password, hash: Option<&PasswordHash>, blocks: &mut Blocks) -> Result<bool, Unavailable> {
    let phc = Phc::new(hash.map_or(DUMMY, PasswordHash::as_str))
        .map_err(|error| Unavailable::new(format!("a stored password hash is no PHC string: {error}")))?;
    let is_right = InBlocks::new(blocks).verify_password(password.expose().as_bytes(), &phc).is_ok();
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
        let hashed = self.pool.run_with(move |scratch| scratch.lend(|blocks| hash(&password, blocks))).await;
        hashed.map_err(Unavailable::new)?
    }

    async fn verify(&self, password: Password, hash: Option<PasswordHash>) -> Result<bool, Unavailable> {
        let verified =
            self.pool.run_with(move |scratch| scratch.lend(|blocks| verify(&password, hash.as_ref(), blocks))).await;
        verified.map_err(Unavailable::new)?
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use argon2::password_hash::PasswordHasher as _;

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

    /// A hash by the crate's own hasher, which allocates for itself.
    fn by_the_crate(params: Params) -> PasswordHash {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let phc = argon2.hash_password_with_salt(b"Str0ngPassw0rd!", b"a salt of bytes!").unwrap();
        PasswordHash::new(phc.to_string())
    }

    #[test]
    fn blocks_used_before_give_the_same_hash() {
        let mut blocks = Blocks::default();
        hash(&Password::typed("whatever came before"), &mut blocks).unwrap();
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap();
        let phc = InBlocks::new(&mut blocks)
            .hash_password_with_params(b"Str0ngPassw0rd!", b"a salt of bytes!", params.clone())
            .unwrap();
        assert_eq!(phc.to_string(), by_the_crate(params).as_str());
    }

    #[test]
    fn a_hash_with_other_parameters_verifies_in_blocks_of_its_own_number() {
        let mut blocks = Blocks::default();
        for memory_kib in [64, 1_024, 40_960, 128] {
            let stored = by_the_crate(Params::new(memory_kib, 1, 2, Some(24)).unwrap());
            assert!(verify(&Password::typed("Str0ngPassw0rd!"), Some(&stored), &mut blocks).unwrap(), "{memory_kib}");
            assert!(!verify(&Password::typed("str0ngPassw0rd!"), Some(&stored), &mut blocks).unwrap(), "{memory_kib}");
        }
    }
}

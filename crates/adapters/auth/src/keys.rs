//! The keys of our own tokens: one signs, all verify.

use std::collections::HashSet;

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The fewest bytes of a secret: as many as the digest has (RFC 7518, section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// Keys that cannot sign and verify tokens. Never repeats one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither a secret nor a signing key.
    #[error("a secret or a signing key is needed")]
    NoKey,
    /// A secret that is too short to be one.
    #[error("the secret must have at least {MIN_SECRET_BYTES} bytes; it has {0}")]
    WeakSecret(usize),
    /// Text without a key in it.
    #[error(
        "there is no key: `-----BEGIN PRIVATE KEY-----` is needed, as `openssl genpkey -algorithm ed25519` writes it"
    )]
    NoBlock,
    /// A block without its end, or an end without its block.
    #[error("a `-----BEGIN` or `-----END` line is missing its other half")]
    Torn,
    /// A block that is something else; the first is 1.
    #[error("block {0} is no Ed25519 key: `PRIVATE KEY` (PKCS#8, version 1) and `PUBLIC KEY` are read")]
    NotEd25519(usize),
    /// Nothing to sign with.
    #[error("the first block signs, and it is a public key")]
    FirstIsPublic,
    /// The crypto library does not verify what it has signed.
    #[error("the key does not verify what it signs")]
    SelfTest,
}

/// A key as it is published (RFC 8037).
#[derive(Serialize)]
struct PublicKey {
    kty: &'static str,
    crv: &'static str,
    x: String,
    kid: String,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
}

/// One key, with the one algorithm it is for.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) decoding: DecodingKey,
    pub(crate) encoding: Option<EncodingKey>,
    /// The public part, of a key that has one.
    x: Option<String>,
}

impl Key {
    /// A secret. The key id is a digest of it: it tells keys apart and tells nothing else.
    pub(crate) fn of_secret(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyError::WeakSecret(secret.len()));
        }
        let digest = Sha256::digest([b"frontdesk key id: ".as_slice(), secret].concat());
        Ok(Self {
            id: format!("{:016x}", digest.iter().take(8).fold(0_u64, |id, byte| (id << 8) | u64::from(*byte))),
            algorithm: Algorithm::HS256,
            decoding: DecodingKey::from_secret(secret),
            encoding: Some(EncodingKey::from_secret(secret)),
            x: None,
        })
    }

    /// An Ed25519 key from one block of PEM; `None` where it is something else.
    fn of_block(block: &str) -> Option<Self> {
        let (jwk, encoding) = if block.starts_with("-----BEGIN PRIVATE KEY-----") {
            let key = EncodingKey::from_ed_pem(block.as_bytes()).ok()?;
            (Jwk::from_encoding_key(&key, Algorithm::EdDSA).ok()?, Some(key))
        } else if block.starts_with("-----BEGIN PUBLIC KEY-----") {
            let key = DecodingKey::from_ed_pem(block.as_bytes()).ok()?;
            (Jwk::from_decoding_key(&key, Some(Algorithm::EdDSA)).ok()?, None)
        } else {
            return None;
        };
        let id = jwk.thumbprint(ThumbprintHash::SHA256).ok()?;
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        let AlgorithmParameters::OctetKeyPair(parameters) = jwk.algorithm else { return None };
        Some(Self { id, algorithm: Algorithm::EdDSA, decoding, encoding, x: Some(parameters.x) })
    }

    fn published(&self) -> Option<PublicKey> {
        let (x, kid) = (self.x.clone()?, self.id.clone());
        Some(PublicKey { kty: "OKP", crv: "Ed25519", x, kid, usage: "sig", alg: "EdDSA" })
    }

    /// What the library has to check with this key; the rest is checked where the claims are read.
    pub(crate) fn validation(&self, issuer: &str, audience: &str) -> Validation {
        validation(self.algorithm, issuer, audience)
    }
}

/// One algorithm, one issuer, one audience, and no judgement of times: those of the library need the system's clock.
pub(crate) fn validation(algorithm: Algorithm, issuer: &str, audience: &str) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.iss = Some(HashSet::from([issuer.to_owned()]));
    validation.aud = Some(HashSet::from([audience.to_owned()]));
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";

/// Reads Ed25519 keys from PEM. The first signs; the others are earlier ones, private or public.
pub(crate) fn of_pem(text: &str) -> Result<Vec<Key>, KeyError> {
    // A block that has lost a dash would otherwise be skipped in silence, as text between blocks is.
    if text.matches(BEGIN).count() != text.matches(END).count() {
        return Err(KeyError::Torn);
    }
    let blocks = text.split(BEGIN).skip(1).map(|rest| format!("{BEGIN}{rest}"));
    let keys = blocks.enumerate().map(|(index, block)| Key::of_block(&block).ok_or(KeyError::NotEd25519(index + 1)));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    match keys.first() {
        None => Err(KeyError::NoBlock),
        Some(Key { encoding: None, .. }) => Err(KeyError::FirstIsPublic),
        Some(_) => Ok(keys),
    }
}

/// Tells what is wrong with signing keys as PEM, for a configuration to say before anything starts.
pub fn check_signing_keys(pem: &str) -> Result<(), KeyError> {
    of_pem(pem).map(|_| ())
}

/// The public keys as a JSON Web Key Set (RFC 7517, section 5).
pub(crate) fn published<'a>(keys: impl IntoIterator<Item = &'a Key>) -> String {
    #[derive(Serialize)]
    struct KeySet {
        keys: Vec<PublicKey>,
    }
    let keys = keys.into_iter().filter_map(Key::published).collect();
    serde_json::to_string(&KeySet { keys }).unwrap_or_default()
}

//! Access tokens as JSON Web Tokens, ours and those of trusted issuers; passwords under argon2id; digests of secrets.

mod argon2id;
mod digest;
mod foreign;
mod jwks;
mod keys;
mod own;
mod remote;
#[cfg(test)]
mod test_keys;
#[cfg(test)]
mod test_site;
mod times;
mod verified;

pub use argon2id::Argon2Hasher;
pub use digest::Sha256Digest;
pub use foreign::{ForeignTokens, IssuerAlgorithm, IssuerError, IssuerKeys, TrustedIssuer, usable_keys};
pub use keys::{KeyError, MIN_SECRET_BYTES, check_signing_keys};
pub use own::{OwnTokens, OwnTokensConfig};

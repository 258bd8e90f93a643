//! Access tokens as JSON Web Tokens, and passwords under argon2id.

mod argon2id;
mod hs256;
mod verified;

pub use argon2id::Argon2Hasher;
pub use hs256::{Hs256Config, Hs256Signer, MIN_SECRET_BYTES, WeakSecret};

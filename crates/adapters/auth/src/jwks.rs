//! Public keys of others, as JSON Web Key Sets (RFC 7517, RFC 7518, RFC 8037).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// 2,048 bits; what is shorter is refused when a signature is verified, and so is not taken up.
const MIN_RSA_MODULUS_BYTES: usize = 256;

/// Of P-256 and of Ed25519 alike.
const COORDINATE_BYTES: usize = 32;

/// The first byte of a point of which both coordinates follow (SEC 1, section 2.3.3).
const NOT_COMPRESSED: u8 = 4;

/// Text that is no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no JSON Web Key Set: an object with a list `keys` is needed")]
pub(crate) struct NoKeySet;

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// What is read of a key. Certificates and addresses of certificates (`x5c`, `x5u`) are not.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    key_ops: Option<Vec<String>>,
}

struct Key {
    id: Option<String>,
    decoding: Arc<DecodingKey>,
}

/// The keys of a set that verify signatures under one algorithm.
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

impl KeySet {
    /// Reads a document. Keys for something else, and keys that cannot be used, are skipped: an issuer may publish
    /// more than we know.
    pub(crate) fn parse(document: &[u8], algorithm: Algorithm) -> Result<Self, NoKeySet> {
        let Document { keys } = serde_json::from_slice(document).map_err(|_| NoKeySet)?;
        let keys = keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        Ok(Self { keys: keys.filter_map(|jwk| jwk.into_key(algorithm)).collect() })
    }

    /// The key with this id. Where the token names none, the only key there is.
    pub(crate) fn find(&self, kid: Option<&str>) -> Option<&Arc<DecodingKey>> {
        match (kid, self.keys.as_slice()) {
            (Some(kid), keys) => keys.iter().find(|key| key.id.as_deref() == Some(kid)).map(|key| &key.decoding),
            (None, [only]) => Some(&only.decoding),
            (None, _) => None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

impl Jwk {
    fn into_key(self, algorithm: Algorithm) -> Option<Key> {
        let is_for_signatures = self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
        let is_for_this = self.alg.as_deref().is_none_or(|alg| alg.parse() == Ok(algorithm));
        if !is_for_signatures || !is_for_this {
            return None;
        }
        let decoding = Arc::new(self.decoding(algorithm)?);
        Some(Key { id: self.kid, decoding })
    }

    fn decoding(&self, algorithm: Algorithm) -> Option<DecodingKey> {
        match (algorithm, self.kty.as_str(), self.crv.as_deref()) {
            (Algorithm::RS256, "RSA", _) => {
                let (modulus, exponent) = (bytes(self.n.as_ref())?, bytes(self.e.as_ref())?);
                let length = modulus.iter().skip_while(|byte| **byte == 0).count();
                let is_usable = length >= MIN_RSA_MODULUS_BYTES && !exponent.is_empty();
                is_usable.then(|| DecodingKey::from_rsa_raw_components(&modulus, &exponent))
            }
            (Algorithm::ES256, "EC", Some("P-256")) => {
                let (x, y) = (bytes(self.x.as_ref())?, bytes(self.y.as_ref())?);
                let is_usable = x.len() == COORDINATE_BYTES && y.len() == COORDINATE_BYTES;
                is_usable.then(|| DecodingKey::from_ec_der(&[[NOT_COMPRESSED].as_slice(), &x, &y].concat()))
            }
            (Algorithm::EdDSA, "OKP", Some("Ed25519")) => {
                let x = bytes(self.x.as_ref()).filter(|x| x.len() == COORDINATE_BYTES)?;
                Some(DecodingKey::from_ed_der(&x))
            }
            _ => None,
        }
    }
}

fn bytes(member: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(member?).ok()
}

#[cfg(test)]
#[path = "jwks/tests.rs"]
mod tests;

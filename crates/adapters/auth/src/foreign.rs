//! Access tokens of trusted issuers.
//!
//! Source: RFC 7519 (JWT), RFC 8725 (best practice).

mod claims;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use frontdesk_kernel::Timestamp;
use frontdesk_profile::AuthenticationError;
use frontdesk_profile::token::{ForeignClaims, TokenRefused, TrustedIssuers};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use reqwest::Url;
use serde::Deserialize;

use crate::jwks::KeySet;
use crate::keys::{MIN_SECRET_BYTES, validation};
use crate::remote::{Found, RemoteKeys};
use crate::times::is_timely;
use crate::verified::VerifiedTokens;
use claims::Wire;

/// Longer tokens are refused unread. Issuers put whole profiles into theirs.
const MAX_TOKEN_BYTES: usize = 8_192;

/// The algorithms that an issuer may be pinned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// HMAC with SHA-256: whoever verifies could sign as well.
    Hs256,
}

impl From<IssuerAlgorithm> for Algorithm {
    fn from(algorithm: IssuerAlgorithm) -> Self {
        match algorithm {
            IssuerAlgorithm::Rs256 => Self::RS256,
            IssuerAlgorithm::Es256 => Self::ES256,
            IssuerAlgorithm::EdDsa => Self::EdDSA,
            IssuerAlgorithm::Hs256 => Self::HS256,
        }
    }
}

/// Where the keys of an issuer come from.
#[derive(Clone)]
pub enum IssuerKeys {
    /// A JSON Web Key Set at a URL, asked at most every few minutes.
    JwksUrl(String),
    /// The text of a JSON Web Key Set.
    JwksFile(String),
    /// A shared secret of at least [`MIN_SECRET_BYTES`], for HS256.
    Secret(Vec<u8>),
}

impl fmt::Debug for IssuerKeys {
    /// Shows the kind alone: a secret is one, and a URL may hold one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::JwksUrl(_) => "JwksUrl",
            Self::JwksFile(_) => "JwksFile",
            Self::Secret(_) => "Secret",
        })
    }
}

/// An issuer whose tokens are believed.
#[derive(Debug, Clone)]
pub struct TrustedIssuer {
    /// The `iss` claim, exactly.
    pub issuer: String,
    /// What the `aud` claim has to be or to contain.
    pub audience: String,
    /// The only algorithm its tokens may be signed with.
    pub algorithm: IssuerAlgorithm,
    /// Its keys.
    pub keys: IssuerKeys,
}

/// An issuer that cannot be trusted as configured. Never repeats a secret.
#[derive(Debug, thiserror::Error)]
#[error("the issuer {issuer:?} cannot be trusted: {wrong}")]
pub struct IssuerError {
    issuer: String,
    wrong: String,
}

/// Counts the keys of a JSON Web Key Set that verify under an algorithm; `None` where the text is none.
pub fn usable_keys(document: &str, algorithm: IssuerAlgorithm) -> Option<usize> {
    KeySet::parse(document.as_bytes(), algorithm.into()).ok().map(|set| set.len())
}

enum Keys {
    Secret(Arc<DecodingKey>),
    Fixed(KeySet),
    Remote(Arc<RemoteKeys>),
}

struct Issuer {
    name: String,
    algorithm: Algorithm,
    validation: Validation,
    keys: Keys,
}

/// A token that was verified with the keys of a generation.
#[derive(Clone)]
struct Known {
    issuer: usize,
    generation: u64,
    claims: ForeignClaims,
    not_before: Option<i64>,
}

/// Verifies tokens of a fixed list of issuers.
pub struct ForeignTokens {
    issuers: Vec<Issuer>,
    verified: VerifiedTokens<Known>,
}

impl Issuer {
    fn new(trusted: TrustedIssuer) -> Result<Self, IssuerError> {
        let TrustedIssuer { issuer, audience, algorithm, keys } = trusted;
        let wrong = |wrong: String| IssuerError { issuer: issuer.clone(), wrong };
        let is_shared = algorithm == IssuerAlgorithm::Hs256;
        let algorithm = Algorithm::from(algorithm);
        let keys = match keys {
            // A public key must never serve as a secret: everybody has it.
            IssuerKeys::Secret(_) if !is_shared => return Err(wrong("a secret is for HS256".to_owned())),
            IssuerKeys::JwksUrl(_) | IssuerKeys::JwksFile(_) if is_shared => {
                return Err(wrong("HS256 takes a secret, and no public keys".to_owned()));
            }
            IssuerKeys::Secret(secret) if secret.len() < MIN_SECRET_BYTES => {
                return Err(wrong(format!("its secret has {} bytes; {MIN_SECRET_BYTES} are needed", secret.len())));
            }
            IssuerKeys::Secret(secret) => Keys::Secret(Arc::new(DecodingKey::from_secret(&secret))),
            IssuerKeys::JwksFile(document) => {
                Keys::Fixed(KeySet::parse(document.as_bytes(), algorithm).map_err(|error| wrong(error.to_string()))?)
            }
            IssuerKeys::JwksUrl(url) => {
                let url = Url::parse(&url).map_err(|error| wrong(format!("its URL is none: {error}")))?;
                Keys::Remote(Arc::new(RemoteKeys::new(url, algorithm).map_err(wrong)?))
            }
        };
        Ok(Self { algorithm, validation: validation(algorithm, &issuer, &audience), name: issuer, keys })
    }

    async fn key(&self, kid: Option<&str>, now: Timestamp) -> Result<Found, AuthenticationError> {
        match &self.keys {
            // There is one secret, whatever name the issuer has for it.
            Keys::Secret(key) => Ok(Found { key: Arc::clone(key), generation: 0 }),
            Keys::Fixed(set) => {
                let key = set.find(kid).ok_or(TokenRefused)?;
                Ok(Found { key: Arc::clone(key), generation: 0 })
            }
            Keys::Remote(keys) => keys.find(kid, now).await,
        }
    }

    /// Whether a token that was verified with the keys of a generation would be again.
    fn is_current(&self, generation: u64, now: Timestamp) -> bool {
        match &self.keys {
            Keys::Secret(_) | Keys::Fixed(_) => true,
            Keys::Remote(keys) => keys.generation(now) == Some(generation),
        }
    }
}

/// Reads the issuer before anything is verified. It chooses among the configured ones and is good for nothing else.
fn claimed_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claimed {
        iss: String,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Claimed>(&payload).ok().map(|claimed| claimed.iss)
}

fn is_access_token(header: &Header) -> bool {
    let has_type = |typ: &str| ["JWT", "at+jwt"].iter().any(|known| known.eq_ignore_ascii_case(typ));
    header.typ.as_deref().is_none_or(has_type) && header.crit.is_none()
}

impl ForeignTokens {
    /// Takes the issuers up. Fetches nothing: that happens when the first token of an issuer comes.
    pub fn new(issuers: Vec<TrustedIssuer>) -> Result<Self, IssuerError> {
        let issuers = issuers.into_iter().map(Issuer::new).collect::<Result<_, _>>()?;
        Ok(Self { issuers, verified: VerifiedTokens::new() })
    }

    fn remembered(&self, token: &str, now: Timestamp) -> Option<Known> {
        let known = self.verified.get(token)?;
        self.issuers.get(known.issuer)?.is_current(known.generation, now).then_some(known)
    }

    /// Everything that does not depend on the moment, but for the keys.
    async fn read(&self, token: &str, now: Timestamp) -> Result<Known, AuthenticationError> {
        let header = decode_header(token).map_err(|_| TokenRefused)?;
        if !is_access_token(&header) {
            return Err(TokenRefused.into());
        }
        let claimed = claimed_issuer(token).ok_or(TokenRefused)?;
        let found = self.issuers.iter().enumerate().find(|(_, issuer)| issuer.name == claimed);
        let (index, issuer) = found.ok_or(TokenRefused)?;
        if header.alg != issuer.algorithm {
            return Err(TokenRefused.into());
        }
        let Found { key, generation } = issuer.key(header.kid.as_deref(), now).await?;
        let wire = decode::<Wire>(token, &key, &issuer.validation).map_err(|_| TokenRefused)?.claims;
        let claims = wire.claims().ok_or(TokenRefused)?;
        Ok(Known { issuer: index, generation, claims, not_before: wire.nbf })
    }
}

#[async_trait]
impl TrustedIssuers for ForeignTokens {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<ForeignClaims, AuthenticationError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenRefused.into());
        }
        let known = if let Some(known) = self.remembered(token, now) {
            known
        } else {
            let known = self.read(token, now).await?;
            self.verified.put(token, &known);
            known
        };
        let Known { claims, not_before, .. } = known;
        if is_timely(&claims.access, not_before, now) { Ok(claims) } else { Err(TokenRefused.into()) }
    }
}

#[cfg(test)]
#[path = "foreign/tests.rs"]
mod tests;

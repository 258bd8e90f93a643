//! Access tokens under HS256.
//!
//! Source: RFC 7519 (JWT), RFC 8725 (best practice), RFC 9068 (`at+jwt`).

use std::collections::HashSet;
use std::time::Duration;

use frontdesk_kernel::{SessionId, Timestamp, UserId};
use frontdesk_profile::token::{AccessClaims, LEEWAY, MAX_AHEAD, TokenRefused, TokenSigner};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::verified::VerifiedTokens;

/// The fewest bytes of a secret: as many as the digest has (RFC 7518, section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// No token of ours is longer, and nobody else's has to be read to be refused.
const MAX_TOKEN_BYTES: usize = 4_096;

const TYPE: &str = "at+jwt";

/// The secret is too short to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret must have at least {MIN_SECRET_BYTES} bytes; it has {0}")]
pub struct WeakSecret(pub usize);

/// What a signer needs to know.
#[derive(Clone)]
pub struct Hs256Config {
    /// At least [`MIN_SECRET_BYTES`].
    pub secret: Vec<u8>,
    /// The `iss` claim.
    pub issuer: String,
    /// The `aud` claim.
    pub audience: String,
    /// How long a token lives.
    pub lifetime: Duration,
}

/// Signs and verifies access tokens with one secret.
pub struct Hs256Signer {
    encoding: EncodingKey,
    decoding: DecodingKey,
    header: Header,
    validation: Validation,
    key_id: String,
    issuer: String,
    audience: String,
    lifetime: Duration,
    verified: VerifiedTokens,
}

/// The claims as they travel. Times are whole seconds: a fraction or an exponent does not parse.
#[derive(Serialize, Deserialize)]
struct Wire {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    jti: String,
    iat: i64,
    exp: i64,
    auth_time: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim_until: Option<i64>,
}

impl Hs256Signer {
    /// Makes a signer. The key id is a digest of the secret: it tells keys apart and tells nothing else.
    pub fn new(config: Hs256Config) -> Result<Self, WeakSecret> {
        let Hs256Config { secret, issuer, audience, lifetime } = config;
        if secret.len() < MIN_SECRET_BYTES {
            return Err(WeakSecret(secret.len()));
        }
        let digest = Sha256::digest([b"frontdesk key id: ".as_slice(), &secret].concat());
        let key_id = format!("{:016x}", digest.iter().take(8).fold(0_u64, |id, byte| (id << 8) | u64::from(*byte)));
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.iss = Some(HashSet::from([issuer.clone()]));
        validation.aud = Some(HashSet::from([audience.clone()]));
        // The library asks the system's clock; ours is an input, so the times are judged below.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let header = Header { typ: Some(TYPE.to_owned()), kid: Some(key_id.clone()), ..Header::new(Algorithm::HS256) };
        Ok(Self {
            encoding: EncodingKey::from_secret(&secret),
            decoding: DecodingKey::from_secret(&secret),
            header,
            validation,
            key_id,
            issuer,
            audience,
            lifetime,
            verified: VerifiedTokens::new(),
        })
    }

    fn is_our_header(&self, header: &Header) -> bool {
        header.typ.as_deref() == Some(TYPE)
            && header.kid.as_deref() == Some(self.key_id.as_str())
            && header.crit.is_none()
    }

    /// Times that are wrong at any moment.
    fn is_plausible(&self, wire: &Wire) -> bool {
        let lives = wire.exp.checked_sub(wire.iat);
        (0..=wire.iat).contains(&wire.auth_time)
            && lives.is_some_and(|lives| (0..=seconds(self.lifetime)).contains(&lives))
    }

    /// Everything that does not depend on the moment.
    fn read(&self, token: &str) -> Result<(AccessClaims, Option<i64>), TokenRefused> {
        let data = decode::<Wire>(token, &self.decoding, &self.validation).map_err(|_| TokenRefused)?;
        if !self.is_our_header(&data.header) || !self.is_plausible(&data.claims) {
            return Err(TokenRefused);
        }
        claims(&data.claims).map(|claims| (claims, data.claims.nbf)).ok_or(TokenRefused)
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Times that are wrong at this moment.
fn is_timely(claims: &AccessClaims, not_before: Option<i64>, now: Timestamp) -> bool {
    let now = now.unix_seconds();
    now < claims.expires_at.unix_seconds().saturating_add(seconds(LEEWAY))
        && not_before.is_none_or(|nbf| nbf <= now.saturating_add(seconds(LEEWAY)))
        && claims.issued_at.unix_seconds() <= now.saturating_add(seconds(MAX_AHEAD))
}

fn claims(wire: &Wire) -> Option<AccessClaims> {
    Some(AccessClaims {
        user_id: wire.sub.parse::<UserId>().ok().filter(|user| !user.as_uuid().is_nil())?,
        session_id: wire.sid.parse::<SessionId>().ok()?,
        token_id: wire.jti.parse::<SessionId>().ok()?.as_uuid(),
        issued_at: Timestamp::from_unix_seconds(wire.iat)?,
        expires_at: Timestamp::from_unix_seconds(wire.exp)?,
        authenticated_at: Timestamp::from_unix_seconds(wire.auth_time)?,
        claims_until: wire.claim_until.and_then(Timestamp::from_unix_seconds),
    })
}

impl TokenSigner for Hs256Signer {
    fn lifetime(&self) -> Duration {
        self.lifetime
    }

    fn sign(&self, claims: &AccessClaims) -> String {
        let AccessClaims { user_id, session_id, token_id, issued_at, expires_at, authenticated_at, claims_until } =
            claims;
        let wire = Wire {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user_id.to_string(),
            sid: session_id.to_string(),
            jti: token_id.to_string(),
            iat: issued_at.unix_seconds(),
            exp: expires_at.unix_seconds(),
            auth_time: authenticated_at.unix_seconds(),
            nbf: None,
            // Rounded up, so that the token never ends before the window that it closes.
            claim_until: claims_until.map(|until| until.unix_seconds() + 1),
        };
        // HMAC over a string cannot fail. Were it to, a token that nobody accepts is the safe answer.
        encode(&self.header, &wire, &self.encoding).unwrap_or_default()
    }

    fn verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenRefused> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenRefused);
        }
        if let Some(claims) = self.verified.get(token) {
            return if is_timely(&claims, None, now) { Ok(claims) } else { Err(TokenRefused) };
        }
        let (claims, not_before) = self.read(token)?;
        if !is_timely(&claims, not_before, now) {
            return Err(TokenRefused);
        }
        // A token of ours has no `nbf`; one that has it is judged anew each time.
        if not_before.is_none() {
            self.verified.put(token, &claims);
        }
        Ok(claims)
    }
}

#[cfg(test)]
#[path = "hs256/tests.rs"]
mod tests;

//! Access tokens of our own.
//!
//! Source: RFC 7519 (JWT), RFC 8725 (best practice), RFC 9068 (`at+jwt`), RFC 8037 (Ed25519), RFC 7638 (`kid`).

use std::time::Duration;

use frontdesk_kernel::{SessionId, Timestamp, UserId};
use frontdesk_profile::token::{AccessClaims, Origin, TokenRefused, TokenSigner};
use jsonwebtoken::{EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::keys::{self, Key, KeyError};
use crate::times::{is_short_lived, is_timely};
use crate::verified::VerifiedTokens;

/// No token of ours is longer, and nobody else's has to be read to be refused.
const MAX_TOKEN_BYTES: usize = 4_096;

const TYPE: &str = "at+jwt";

/// What the signer needs to know.
#[derive(Clone)]
pub struct OwnTokensConfig {
    /// At least [`MIN_SECRET_BYTES`](crate::MIN_SECRET_BYTES), for HS256. Signs where there are no signing keys, and
    /// verifies in any case.
    pub secret: Option<Vec<u8>>,
    /// Ed25519 keys as PEM. The first signs; the others, private or public, are earlier ones whose tokens still live.
    pub signing_keys: Option<String>,
    /// The `iss` claim.
    pub issuer: String,
    /// The `aud` claim.
    pub audience: String,
    /// How long a token lives.
    pub lifetime: Duration,
}

/// Signs access tokens with one key, and verifies them with several: a change of keys logs nobody out.
pub struct OwnTokens {
    keys: Vec<(Key, Validation)>,
    signing: EncodingKey,
    header: Header,
    issuer: String,
    audience: String,
    lifetime: Duration,
    jwks: String,
    verified: VerifiedTokens<AccessClaims>,
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

impl OwnTokens {
    /// Makes a signer, and has it verify what it signs once: a crypto library that is built wrong fails here, and not
    /// at the first sign-in.
    pub fn new(config: OwnTokensConfig) -> Result<Self, KeyError> {
        let OwnTokensConfig { secret, signing_keys, issuer, audience, lifetime } = config;
        let mut keys = signing_keys.as_deref().map_or_else(|| Ok(Vec::new()), keys::of_pem)?;
        keys.extend(secret.as_deref().map(Key::of_secret).transpose()?);
        let first = keys.first().ok_or(KeyError::NoKey)?;
        let signing = first.encoding.clone().ok_or(KeyError::NoKey)?;
        let header = header_of(first);
        // The private and the public half of a key, both in the file, are one key.
        let mut ring: Vec<(Key, Validation)> = Vec::with_capacity(keys.len());
        for key in keys {
            if ring.iter().all(|(known, _)| known.id != key.id) {
                let validation = key.validation(&issuer, &audience);
                ring.push((key, validation));
            }
        }
        let jwks = keys::published(ring.iter().map(|(key, _)| key));
        let verified = VerifiedTokens::new();
        let tokens = Self { keys: ring, signing, header, issuer, audience, lifetime, jwks, verified };
        tokens.test_itself()?;
        Ok(tokens)
    }

    /// The public keys as a JSON Web Key Set; without signing keys it is empty. A secret is never in it.
    pub fn jwks(&self) -> String {
        self.jwks.clone()
    }

    fn test_itself(&self) -> Result<(), KeyError> {
        let at = Timestamp::from_unix_seconds(0).ok_or(KeyError::SelfTest)?;
        let claims = AccessClaims {
            origin: Origin::Own,
            user_id: UserId::new(Uuid::from_u128(1)),
            session_id: SessionId::new(Uuid::from_u128(2)),
            token_id: Uuid::from_u128(3),
            issued_at: at,
            expires_at: at,
            authenticated_at: at,
            claims_until: None,
        };
        match self.read(&self.sign(&claims)) {
            Ok((read, None)) if read == claims => Ok(()),
            _ => Err(KeyError::SelfTest),
        }
    }

    /// The key that a header names, if it is the very header that we write with that key.
    fn key_of(&self, header: &Header) -> Option<&(Key, Validation)> {
        let kid = header.kid.as_deref()?;
        let known = self.keys.iter().find(|(key, _)| key.id == kid)?;
        (*header == header_of(&known.0)).then_some(known)
    }

    /// Times that are wrong at any moment.
    fn is_plausible(&self, wire: &Wire) -> bool {
        (0..=wire.iat).contains(&wire.auth_time) && is_short_lived(wire.iat, wire.exp, self.lifetime)
    }

    /// Everything that does not depend on the moment.
    fn read(&self, token: &str) -> Result<(AccessClaims, Option<i64>), TokenRefused> {
        let header = decode_header(token).map_err(|_| TokenRefused)?;
        let (key, validation) = self.key_of(&header).ok_or(TokenRefused)?;
        let wire = decode::<Wire>(token, &key.decoding, validation).map_err(|_| TokenRefused)?.claims;
        if !self.is_plausible(&wire) {
            return Err(TokenRefused);
        }
        claims(&wire).map(|claims| (claims, wire.nbf)).ok_or(TokenRefused)
    }
}

fn header_of(key: &Key) -> Header {
    Header { typ: Some(TYPE.to_owned()), kid: Some(key.id.clone()), ..Header::new(key.algorithm) }
}

fn claims(wire: &Wire) -> Option<AccessClaims> {
    Some(AccessClaims {
        origin: Origin::Own,
        user_id: wire.sub.parse::<UserId>().ok().filter(|user| !user.as_uuid().is_nil())?,
        session_id: wire.sid.parse::<SessionId>().ok()?,
        token_id: wire.jti.parse::<SessionId>().ok()?.as_uuid(),
        issued_at: Timestamp::from_unix_seconds(wire.iat)?,
        expires_at: Timestamp::from_unix_seconds(wire.exp)?,
        authenticated_at: Timestamp::from_unix_seconds(wire.auth_time)?,
        claims_until: wire.claim_until.and_then(Timestamp::from_unix_seconds),
    })
}

impl TokenSigner for OwnTokens {
    fn lifetime(&self) -> Duration {
        self.lifetime
    }

    fn sign(&self, claims: &AccessClaims) -> String {
        let AccessClaims {
            origin: _,
            user_id,
            session_id,
            token_id,
            issued_at,
            expires_at,
            authenticated_at,
            claims_until,
        } = claims;
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
        // The key has signed at construction, and text cannot make it fail. Were it to, a token that nobody accepts is
        // the safe answer.
        encode(&self.header, &wire, &self.signing).unwrap_or_default()
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
#[path = "own/tests.rs"]
mod tests;

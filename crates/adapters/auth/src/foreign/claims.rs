//! What a token of a trusted issuer says.

use frontdesk_kernel::{SessionId, Timestamp, UserId};
use frontdesk_profile::token::{AccessClaims, ForeignClaims, Identity, MAX_FOREIGN_LIFETIME, Origin};
use frontdesk_profile::{Email, FieldText as _};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::digest::derived_id;
use crate::times::is_short_lived;

/// The role of a service at Supabase; its token stands for no user.
const SERVICE: &str = "service_role";

const MAX_SUBJECT_CHARS: usize = 255;

/// The claims as they travel. Times are whole seconds: a fraction or an exponent does not parse. What is a `Value` may
/// be anything and counts only where it is of the right type.
#[derive(Deserialize)]
pub(super) struct Wire {
    iss: String,
    /// That ours is in it is checked with the signature; this is for its type.
    #[serde(rename = "aud")]
    _aud: Audience,
    sub: String,
    iat: i64,
    exp: i64,
    pub(super) nbf: Option<i64>,
    auth_time: Option<i64>,
    session_id: Option<String>,
    sid: Option<String>,
    jti: Option<String>,
    role: Option<Value>,
    email: Option<Value>,
    email_verified: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(#[expect(dead_code, reason = "only the type counts")] String),
    Several(#[expect(dead_code, reason = "only the type counts")] Vec<String>),
}

/// Who a subject is: itself where it is a UUID, else an id that always stands for this issuer and subject.
fn user(issuer: &str, subject: &str) -> Option<(UserId, Option<Identity>)> {
    if let Ok(user_id) = subject.parse::<UserId>() {
        return (!user_id.as_uuid().is_nil()).then_some((user_id, None));
    }
    let is_name = (1..=MAX_SUBJECT_CHARS).contains(&subject.chars().count()) && !subject.chars().any(char::is_control);
    let identity = Identity { issuer: issuer.to_owned(), subject: subject.to_owned() };
    is_name.then(|| (UserId::new(derived_id("frontdesk user", &[issuer, subject])), Some(identity)))
}

impl Wire {
    /// A token of a service, in whatever form the role is told.
    fn is_of_a_service(&self) -> bool {
        match &self.role {
            Some(Value::String(role)) => role == SERVICE,
            Some(Value::Array(roles)) => roles.iter().any(|role| role == SERVICE),
            _ => false,
        }
    }

    /// An id that always stands for this token, as far as it can be told from another of the same user.
    fn own_id(&self, purpose: &'static str) -> Uuid {
        let issued_at = self.iat.to_string();
        match &self.jti {
            Some(jti) => derived_id(purpose, &[&self.iss, &self.sub, &issued_at, jti]),
            None => derived_id(purpose, &[&self.iss, &self.sub, &issued_at]),
        }
    }

    /// The session, of this user alone: an issuer may count the sessions of each user from one.
    fn session_id(&self) -> SessionId {
        let named = self.session_id.as_ref().or(self.sid.as_ref()).filter(|named| !named.is_empty());
        SessionId::new(match named {
            Some(session) => derived_id("frontdesk named session", &[&self.iss, &self.sub, session]),
            None => self.own_id("frontdesk session"),
        })
    }

    fn email(&self) -> Option<Email> {
        self.email.as_ref().and_then(Value::as_str).and_then(|email| Email::parse(email).ok())
    }

    /// Everything that does not depend on the moment; `None` where it is not believed.
    pub(super) fn claims(&self) -> Option<ForeignClaims> {
        if self.is_of_a_service() || self.iat < 0 || !is_short_lived(self.iat, self.exp, MAX_FOREIGN_LIFETIME) {
            return None;
        }
        // Later than the issue it cannot have been; to believe it would be to forgo the next sign-in.
        let authenticated_at = self.auth_time.unwrap_or(self.iat).min(self.iat);
        let (user_id, identity) = user(&self.iss, &self.sub)?;
        let email = self.email();
        let access = AccessClaims {
            origin: Origin::Foreign,
            user_id,
            session_id: self.session_id(),
            token_id: self.own_id("frontdesk token"),
            issued_at: Timestamp::from_unix_seconds(self.iat)?,
            expires_at: Timestamp::from_unix_seconds(self.exp)?,
            authenticated_at: Timestamp::from_unix_seconds(authenticated_at).filter(|_| authenticated_at >= 0)?,
            claims_until: None,
        };
        let email_verified = email.is_some() && self.email_verified == Some(Value::Bool(true));
        Some(ForeignClaims { access, identity, email, email_verified })
    }
}

//! `Idempotency-Key`: claiming before the effect, replaying after it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, HeaderName};
use actix_web::{HttpRequest, HttpResponse};
use frontdesk_kernel::UserId;
use frontdesk_kernel::idempotency::{Answer, Claim, Completion, Fingerprint, IdempotencyStore, Outcome, Scope};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::config::{HttpConfig, Services};
use crate::error::{ApiError, Code, unavailable};

static HEADER: HeaderName = HeaderName::from_static("idempotency-key");
static REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// How long a second request waits for the first.
const PATIENCE: Duration = Duration::from_secs(2);
/// The first pause between two looks; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(25);

/// A key as sent: 1 to 255 visible ASCII characters.
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn of(request: &HttpRequest) -> Result<Option<Self>, ApiError> {
        let mut values = request.headers().get_all(&HEADER);
        let Some(value) = values.next() else { return Ok(None) };
        let text = value.to_str().unwrap_or_default();
        if values.next().is_some() || !(1..=255).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
            let rule = "Idempotency-Key must be one value of 1 to 255 visible ASCII characters";
            return Err(ApiError::malformed(rule));
        }
        Ok(Some(Self(text.to_owned())))
    }

    /// The scope of a route that nobody is signed in on: the route and the key. The principal is a digest of the
    /// key, so that whoever has the key, and nobody else, reaches the row.
    pub(crate) fn anonymous_scope(&self, route: &str) -> Scope {
        let mut principal = String::from("anonymous:");
        for byte in Sha256::digest(&self.0) {
            // Writing to a string cannot fail.
            let _ = write!(principal, "{byte:02x}");
        }
        Scope { principal, route: route.to_owned(), key: self.0.clone() }
    }
}

/// A digest of what was asked, keyed: the body may hold a password.
pub(crate) fn fingerprint(config: &HttpConfig, body: &Map<String, Value>) -> Result<Fingerprint, ApiError> {
    let bytes = serde_json::to_vec(body).map_err(|error| ApiError::internal(error.to_string()))?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&config.fingerprint_key)
        .map_err(|error| ApiError::internal(error.to_string()))?;
    mac.update(&bytes);
    Ok(mac.finalize().into_bytes().into())
}

/// What became of a key.
pub(crate) enum Claimed {
    /// Ours: perform the effect.
    Yes(Claim),
    /// Done before: this is the answer.
    Replay(Answer),
}

/// Claims a key, waiting a little for a request that runs.
pub(crate) async fn claim(
    services: &Services,
    scope: Scope,
    user_id: UserId,
    fingerprint: &Fingerprint,
) -> Result<Claimed, ApiError> {
    let mut token = [0; 16];
    services.entropy.fill(&mut token);
    let claim = Claim { scope, token: Uuid::from_bytes(token), user_id };
    let given_up = Instant::now() + PATIENCE;
    let mut pause = FIRST_PAUSE;
    loop {
        match services.idempotency.claim(&claim, fingerprint, services.clock.now()).await {
            Ok(Outcome::Claimed) => return Ok(Claimed::Yes(claim)),
            Ok(Outcome::Replay(answer)) => return Ok(Claimed::Replay(answer)),
            Ok(Outcome::Reused) => {
                let message = "this Idempotency-Key was used with another body";
                return Err(ApiError::new(Code::IdempotencyKeyReused, message));
            }
            Ok(Outcome::InProgress) if Instant::now() + pause > given_up => {
                let message = "the first request with this Idempotency-Key still runs";
                return Err(ApiError::new(Code::IdempotencyInProgress, message));
            }
            Ok(Outcome::InProgress) => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            Err(cause) => {
                // The claim may have been made and only its answer been lost.
                release_later(services, claim);
                return Err(unavailable(cause));
            }
        }
    }
}

/// The first answer once more.
pub(crate) fn replay(answer: Answer) -> Result<HttpResponse, ApiError> {
    let Answer { status, body } = answer;
    let status = StatusCode::from_u16(status).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(HttpResponse::build(status)
        .insert_header((REPLAYED.clone(), "true"))
        .insert_header(ContentType::json())
        .body(body))
}

/// The answer to keep, its secrets made `null`.
pub(crate) fn completion(claim: Claim, status: StatusCode, mut body: Value, secrets: &[&str]) -> Completion {
    for name in secrets {
        if let Some(secret) = body.get_mut(name) {
            *secret = Value::Null;
        }
    }
    Completion { claim, answer: Answer { status: status.as_u16(), body: body.to_string().into_bytes() } }
}

/// Gives a claim back that led to nothing. The answer waits for it, so that a client who has mended the request finds
/// the key free; but where the database is what failed, the answer must not come later for it.
pub(crate) async fn release(services: &Services, claim: Claim, refused: &ApiError) {
    if refused.code == Code::Unavailable {
        release_later(services, claim);
    } else {
        give_back(services.idempotency.as_ref(), &claim).await;
    }
}

fn release_later(services: &Services, claim: Claim) {
    let store = Arc::clone(&services.idempotency);
    tokio::spawn(async move { give_back(store.as_ref(), &claim).await });
}

/// Should it fail, the claim's lease runs out by itself.
async fn give_back(store: &dyn IdempotencyStore, claim: &Claim) {
    if let Err(cause) = store.release(claim).await {
        tracing::warn!(error = ApiError::from(cause).cause, "an idempotency key could not be released");
    }
}

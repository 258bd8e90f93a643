//! The key set of an issuer, fetched and kept for a while.
//!
//! Nothing that a token says decides where it is fetched from, and hardly when: whoever makes tokens up causes one
//! fetch in [`COOL_DOWN`] at most.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use frontdesk_kernel::{Timestamp, Unavailable};
use frontdesk_profile::AuthenticationError;
use frontdesk_profile::token::TokenRefused;
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::{Client, Url};

use crate::jwks::KeySet;

/// How long keys are believed without asking again: a key that was withdrawn is out after that.
const KEPT: Duration = Duration::from_mins(10);

/// From when on keys are renewed behind the back of the requests, so that none waits, and an outage that is shorter than
/// the rest of [`KEPT`] is not noticed.
const RENEWED: Duration = Duration::from_mins(5);

/// How long an unknown key id causes no fetch after one.
const COOL_DOWN: Duration = Duration::from_secs(30);

/// How long nothing is fetched after a failure.
const RETRY: Duration = Duration::from_secs(5);

const PATIENCE: Duration = Duration::from_secs(3);

const MAX_DOCUMENT_BYTES: usize = 256 * 1_024;

/// A key, and which state of the set it is from.
pub(crate) struct Found {
    pub(crate) key: Arc<DecodingKey>,
    pub(crate) generation: u64,
}

#[derive(Default)]
struct State {
    fetched: Option<Fetched>,
    tried: Option<Tried>,
    generations: u64,
}

struct Fetched {
    set: Arc<KeySet>,
    document: Vec<u8>,
    at: Timestamp,
    generation: u64,
}

/// The last attempt.
struct Tried {
    at: Timestamp,
    failure: Option<Arc<str>>,
}

/// What to do about a key.
enum Look {
    Found(Found),
    Unknown,
    OutOfReach(Arc<str>),
    Fetch,
}

/// The keys of one issuer.
pub(crate) struct RemoteKeys {
    url: Url,
    algorithm: Algorithm,
    http: Client,
    state: Mutex<State>,
    /// Held by whoever fetches; the others wait for what comes.
    flight: Arc<tokio::sync::Mutex<()>>,
}

/// Whether two moments are closer than that, whichever is first: the clock may have been set back.
fn is_within(one: Timestamp, other: Timestamp, distance: Duration) -> bool {
    one.since(other).max(other.since(one)) < distance
}

impl State {
    fn fresh(&self, now: Timestamp) -> Option<&Fetched> {
        self.fetched.as_ref().filter(|fetched| is_within(fetched.at, now, KEPT))
    }

    fn may_fetch(&self, now: Timestamp) -> bool {
        self.tried.as_ref().is_none_or(|tried| {
            let pause = if tried.failure.is_some() { RETRY } else { COOL_DOWN };
            !is_within(tried.at, now, pause)
        })
    }

    fn look(&self, kid: Option<&str>, now: Timestamp) -> Look {
        let fresh = self.fresh(now);
        if let Some((fetched, key)) = fresh.and_then(|fetched| Some((fetched, fetched.set.find(kid)?))) {
            return Look::Found(Found { key: Arc::clone(key), generation: fetched.generation });
        }
        // Without a key id there is nothing new to hope for.
        if fresh.is_some() && kid.is_none() {
            return Look::Unknown;
        }
        match &self.tried {
            _ if self.may_fetch(now) => Look::Fetch,
            // With keys at hand that still hold, an unknown one is most likely a forger's. One that is new is believed
            // as soon as the issuer answers again.
            Some(Tried { failure: Some(failure), .. }) if fresh.is_none() => Look::OutOfReach(Arc::clone(failure)),
            _ => Look::Unknown,
        }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.fetched.as_ref().is_some_and(|fetched| !is_within(fetched.at, now, RENEWED)) && self.may_fetch(now)
    }

    fn keep(&mut self, set: KeySet, document: Vec<u8>, now: Timestamp) {
        self.tried = Some(Tried { at: now, failure: None });
        match &mut self.fetched {
            Some(fetched) if fetched.document == document => fetched.at = now,
            _ => {
                self.generations += 1;
                let generation = self.generations;
                self.fetched = Some(Fetched { set: Arc::new(set), document, at: now, generation });
            }
        }
    }
}

impl RemoteKeys {
    /// Fetches nothing yet: an issuer that is down must not keep the server from starting.
    pub(crate) fn new(url: Url, algorithm: Algorithm) -> Result<Self, String> {
        let builder = Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // A kept connection would belong to the worker that opened it, and be of no use to the next.
            .pool_max_idle_per_host(0);
        // Without TLS no certificates are read, and the URL is one of this machine: nobody stands in between.
        let builder = if url.scheme() == "http" { builder.no_proxy().tls_certs_only([]) } else { builder };
        let http = builder.build().map_err(chain)?;
        Ok(Self { url, algorithm, http, state: Mutex::default(), flight: Arc::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that a token names.
    pub(crate) async fn find(
        self: &Arc<Self>,
        kid: Option<&str>,
        now: Timestamp,
    ) -> Result<Found, AuthenticationError> {
        self.renew_if_due(now);
        let mut look = self.state().look(kid, now);
        if matches!(look, Look::Fetch) {
            let flight = Arc::clone(&self.flight).lock_owned().await;
            // Somebody else may have fetched in the meantime.
            look = self.state().look(kid, now);
            if matches!(look, Look::Fetch) {
                let this = Arc::clone(self);
                // To its end, whatever becomes of this request: who hangs up must not start the next fetch.
                let fetching = tokio::spawn(async move {
                    this.fetch(now).await;
                    drop(flight);
                });
                fetching.await.map_err(Unavailable::new)?;
                look = self.state().look(kid, now);
            }
        }
        match look {
            Look::Found(found) => Ok(found),
            Look::Unknown => Err(TokenRefused.into()),
            Look::OutOfReach(failure) => {
                Err(Unavailable::new(format!("no keys from {}: {failure}", self.host())).into())
            }
            Look::Fetch => Err(Unavailable::new("the keys of an issuer are still to be fetched").into()),
        }
    }

    /// The state that the keys are in now; `None` where they have to be fetched first.
    pub(crate) fn generation(self: &Arc<Self>, now: Timestamp) -> Option<u64> {
        self.renew_if_due(now);
        self.state().fresh(now).map(|fetched| fetched.generation)
    }

    fn renew_if_due(self: &Arc<Self>, now: Timestamp) {
        if !self.state().is_due(now) {
            return;
        }
        if let Ok(flight) = Arc::clone(&self.flight).try_lock_owned() {
            let this = Arc::clone(self);
            tokio::spawn(async move {
                if this.state().is_due(now) {
                    this.fetch(now).await;
                }
                drop(flight);
            });
        }
    }

    /// The name for logs: a path or a query may hold a secret.
    fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    async fn fetch(&self, now: Timestamp) {
        let fetched = self.document().await.and_then(|document| {
            let set = KeySet::parse(&document, self.algorithm).map_err(|error| error.to_string())?;
            Ok((set, document))
        });
        match fetched {
            Ok((set, document)) => {
                tracing::debug!(host = self.host(), keys = set.len(), "fetched the keys of a trusted issuer");
                self.state().keep(set, document, now);
            }
            Err(failure) => {
                tracing::warn!(host = self.host(), failure, "no keys from a trusted issuer");
                self.state().tried = Some(Tried { at: now, failure: Some(failure.into()) });
            }
        }
    }

    async fn document(&self) -> Result<Vec<u8>, String> {
        let request = self.http.get(self.url.clone()).header(reqwest::header::ACCEPT, "application/json");
        let mut response = request.send().await.map_err(chain)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("the answer is {}", response.status()));
        }
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(chain)? {
            if document.len() + chunk.len() > MAX_DOCUMENT_BYTES {
                return Err(format!("the answer has more than {MAX_DOCUMENT_BYTES} bytes"));
            }
            document.extend_from_slice(&chunk);
        }
        Ok(document)
    }
}

/// An error with its causes, without the URL.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(told, ": {error}");
        cause = error.source();
    }
    told
}

#[cfg(test)]
#[path = "remote/tests.rs"]
mod tests;

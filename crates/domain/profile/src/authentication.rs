//! Believing a credential, or not.

use std::sync::Arc;

use frontdesk_kernel::{Clock, Entropy, Event, EventBody, EventId, Timestamp};

use crate::AccountStore;
use crate::access::AuthenticationError;
use crate::account::Account;
use crate::account_store::{Provision, Provisioned, Registered};
use crate::channels::Channels;
use crate::profile::Profile;
use crate::remembered::Remembered;
use crate::revocations::Revocations;
use crate::settings::Settings;
use crate::token::{AccessClaims, ForeignClaims, TokenRefused, TokenSigner, TrustedIssuers};

/// The ports that [`Authentication`] holds.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is the port or service its type names")]
pub struct AuthenticationPorts {
    pub accounts: Arc<dyn AccountStore>,
    pub revocations: Arc<Revocations>,
    pub signer: Arc<dyn TokenSigner>,
    /// `None` where no issuer but this service is trusted.
    pub issuers: Option<Arc<dyn TrustedIssuers>>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// Believes tokens: ours, and those of trusted issuers.
#[derive(Clone)]
pub struct Authentication {
    ports: AuthenticationPorts,
    claimed: Arc<Remembered>,
}

impl Authentication {
    /// Joins the ports.
    pub fn new(ports: AuthenticationPorts) -> Self {
        Self { ports, claimed: Arc::default() }
    }

    /// Believes a token, or not. The first use of an unclaimed account's token claims the account; the first use of a
    /// trusted issuer's token makes one.
    pub async fn authenticate(&self, token: &str) -> Result<AccessClaims, AuthenticationError> {
        let now = self.ports.clock.now();
        match (self.ports.signer.verify(token, now), &self.ports.issuers) {
            (Ok(claims), _) => self.own(claims, now).await,
            (Err(_), Some(issuers)) => self.foreign(issuers.verify(token, now).await?, now).await,
            (Err(refused), None) => Err(refused.into()),
        }
    }

    /// Asks again whether a token that was believed has been revoked since. When it ends is the caller's to watch.
    pub async fn recheck(&self, claims: &AccessClaims) -> Result<(), AuthenticationError> {
        if self.ports.revocations.refuses(claims).await? { Err(TokenRefused.into()) } else { Ok(()) }
    }

    async fn own(&self, claims: AccessClaims, now: Timestamp) -> Result<AccessClaims, AuthenticationError> {
        if self.ports.revocations.refuses(&claims).await? {
            return Err(TokenRefused.into());
        }
        if let Some(until) = claims.claims_until.filter(|until| now < *until)
            && !self.claimed.holds(claims.user_id, now)
        {
            self.ports.accounts.close_claim(claims.user_id).await?;
            self.claimed.add(claims.user_id, until, now);
        }
        Ok(claims)
    }

    async fn foreign(&self, foreign: ForeignClaims, now: Timestamp) -> Result<AccessClaims, AuthenticationError> {
        let claims = foreign.access.clone();
        if self.ports.revocations.refuses(&claims).await? {
            return Err(TokenRefused.into());
        }
        if let Some(seen) = self.ports.revocations.looks_for_account(claims.user_id, now) {
            let issued_at = claims.issued_at;
            let command = Provision { new: self.newcomer(&foreign, now), identity: foreign.identity, issued_at };
            match self.ports.accounts.provision(&command).await? {
                Provisioned::Made | Provisioned::Known => {
                    // An account that was made here without a password is claimed by its owner's token, whoever made it.
                    self.ports.accounts.close_claim(claims.user_id).await?;
                    self.ports.revocations.found_account(claims.user_id, seen, now);
                }
                Provisioned::Deleted => return Err(TokenRefused.into()),
            }
        }
        Ok(claims)
    }

    fn newcomer(&self, foreign: &ForeignClaims, now: Timestamp) -> Registered {
        let user_id = foreign.access.user_id;
        let email = foreign.email.clone();
        let email_verified = email.is_some() && foreign.email_verified;
        Registered {
            account: Account { id: user_id, password: None, claim_open_until: None, created_at: now },
            profile: Profile { email, email_verified, ..Profile::new(user_id, None, now) },
            settings: Settings::new(now),
            channels: Channels::default(),
            session: None,
            event: Event {
                id: EventId::new(self.ports.entropy.uuid_v7(now)),
                user_id,
                occurred_at: now,
                body: EventBody::AccountCreated,
            },
        }
    }
}

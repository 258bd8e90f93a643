//! Registration, sign-in, passwords and deletion.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::gcra::Limiter;
use frontdesk_kernel::idempotency::Completion;
use frontdesk_kernel::{Clock, Entropy, Event, EventBody, EventId, Timestamp, Unavailable, UserId};

use crate::access::AuthorityError;
use crate::account::{
    Account, DeleteAccount, FRESH_SIGN_IN, PasswordGround, RECENT_SIGN_IN, SetPassword, StorePasswordError, Tombstone,
};
use crate::account_store::{AccountStore, CreateError, DeleteError, Registered};
use crate::attempts::Attempts;
use crate::channels::Channels;
use crate::deletion::{DeletionError, DeletionRequest};
use crate::password::{Password, PasswordHash, PasswordHasher};
use crate::password_change::{PasswordChange, PasswordChangeError};
use crate::profile::{Authority, Profile};
use crate::session::Client;
use crate::settings::Settings;
use crate::sign_in::{SignIn, SignInError};
use crate::token::{AccessClaims, Identity, TokenRefused};
use crate::{Email, FieldError, Line, OpenSessionError, ProfileStore, Sessions, TokenPair, Username};

/// Who may act for an account without its token (`USERS_AUTH`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimPolicy {
    /// Whoever has the id, until the account is claimed or the window ends.
    Claim,
    /// As `Claim`, and profile writes never need a token.
    Open,
    /// Nobody.
    Jwt,
}

/// A checked request for an account.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The id it will have.
    pub user_id: UserId,
    /// The name to sign in with.
    pub username: Username,
    /// The name to show.
    pub display_name: Option<Line<100>>,
    /// A contact.
    pub email: Option<Email>,
    /// The password as typed; without one the account is unclaimed.
    pub password: Option<String>,
    /// On what it runs.
    pub client: Client,
}

/// Why a registration is refused before anything is stored.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The password may not be one.
    #[error("the password is refused")]
    Password(FieldError),
    /// The hasher is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The ports that [`Accounts`] holds.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is the port or service its type names")]
pub struct AccountsPorts {
    pub accounts: Arc<dyn AccountStore>,
    pub profiles: Arc<dyn ProfileStore>,
    pub sessions: Sessions,
    pub hasher: Arc<dyn PasswordHasher>,
    pub limiter: Arc<dyn Limiter>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// Registers users, signs them in, changes their passwords and deletes them.
#[derive(Clone)]
pub struct Accounts {
    ports: AccountsPorts,
    attempts: Attempts,
    policy: ClaimPolicy,
    claim_window: Duration,
}

impl Accounts {
    /// Joins the ports. `is_limited` switches the limits on failed sign-ins.
    pub fn new(ports: AccountsPorts, policy: ClaimPolicy, claim_window: Duration, is_limited: bool) -> Self {
        let attempts = Attempts::new(Arc::clone(&ports.limiter), Arc::clone(&ports.clock), is_limited);
        Self { ports, attempts, policy, claim_window }
    }

    /// Draws the id of a user to be.
    pub fn draw_user_id(&self) -> UserId {
        UserId::new(self.ports.entropy.uuid_v7(self.ports.clock.now()))
    }

    /// Makes an account and its first session, without storing them.
    pub async fn prepare(&self, registration: Registration) -> Result<(Registered, TokenPair), RegistrationError> {
        let Registration { user_id, username, display_name, email, password, client } = registration;
        let password = match password {
            None => None,
            Some(typed) => {
                let chosen = Password::choose(&typed, Some(&username), email.as_ref());
                Some(self.ports.hasher.hash(chosen.map_err(RegistrationError::Password)?).await?)
            }
        };
        let now = self.ports.clock.now();
        let is_unclaimed = password.is_none() && self.policy != ClaimPolicy::Jwt;
        let claim_open_until = is_unclaimed.then(|| now + self.claim_window);
        let profile = Profile { display_name, email, ..Profile::new(user_id, Some(username), now) };
        let (session, tokens) = self.ports.sessions.prepare(user_id, client, claim_open_until);
        let new = Registered {
            account: Account { id: user_id, password, claim_open_until, created_at: now },
            profile,
            settings: Settings::new(now),
            channels: Channels::default(),
            session: Some(session),
            event: Event { id: self.draw_event_id(now), user_id, occurred_at: now, body: EventBody::AccountCreated },
        };
        Ok((new, tokens))
    }

    fn draw_event_id(&self, now: Timestamp) -> EventId {
        EventId::new(self.ports.entropy.uuid_v7(now))
    }

    /// Stores a prepared account.
    pub async fn create(&self, new: &Registered, completion: Option<&Completion>) -> Result<(), CreateError> {
        self.ports.accounts.create(new, completion).await
    }

    /// Tells on whose authority the profile of `target` may be written.
    pub async fn authority(&self, target: UserId, caller: Option<&AccessClaims>) -> Result<Authority, AuthorityError> {
        match caller {
            Some(claims) if claims.user_id == target => Ok(Authority::Granted),
            Some(_) => Err(AuthorityError::NotFound),
            None if self.policy == ClaimPolicy::Jwt => Err(TokenRefused.into()),
            None => match self.ports.accounts.account(target).await? {
                Some(account) if account.is_open(self.ports.clock.now()) => Ok(Authority::Unclaimed),
                Some(_) if self.policy == ClaimPolicy::Open => Ok(Authority::Granted),
                None if self.policy == ClaimPolicy::Open => Err(AuthorityError::NotFound),
                _ => Err(TokenRefused.into()),
            },
        }
    }

    /// Tells whether the caller sees all of the profile of `target`, or what everybody sees.
    pub async fn sees_all(&self, target: UserId, caller: Option<&AccessClaims>) -> Result<bool, Unavailable> {
        match caller {
            Some(claims) => Ok(claims.user_id == target),
            None if self.policy == ClaimPolicy::Jwt => Ok(false),
            None => {
                let account = self.ports.accounts.account(target).await?;
                Ok(account.is_some_and(|account| account.is_open(self.ports.clock.now())))
            }
        }
    }

    /// Signs in with a username and a password, and opens a session.
    pub async fn sign_in(&self, sign_in: SignIn) -> Result<(UserId, TokenPair), SignInError> {
        let SignIn { username, password, address, client } = sign_in;
        let key = Username::key_of(&username);
        let attempt = self.attempts.count(&key, address).await?;
        let attempt = attempt.map_err(|retry_after| SignInError::RateLimited { retry_after })?;
        let proven = self.prove(&key, password).await;
        if !matches!(proven, Ok(None)) {
            self.attempts.forgive(attempt).await?;
        }
        let (user_id, seen) = proven?.ok_or(SignInError::Refused)?;
        let (session, tokens) = self.ports.sessions.prepare(user_id, client, None);
        self.ports.sessions.open(session, seen).await.map_err(|error| match error {
            OpenSessionError::Refused => SignInError::Refused,
            OpenSessionError::Unavailable(cause) => cause.into(),
        })?;
        Ok((user_id, tokens))
    }

    /// Finds the user of a name whose password this is, and the hash that proves it.
    async fn prove(
        &self,
        username_key: &str,
        password: Password,
    ) -> Result<Option<(UserId, PasswordHash)>, Unavailable> {
        let login = self.ports.accounts.find_login(username_key).await?;
        let hash = login.as_ref().filter(|_| password.is_plausible()).and_then(|login| login.password.clone());
        // An unknown user costs a hash too: the time must not tell who has an account.
        let is_right = self.ports.hasher.verify(password, hash.clone()).await?;
        Ok(login.filter(|_| is_right).map(|login| login.user_id).zip(hash))
    }

    /// Tells on what ground the password of `target` may be set, before anything else of a request is looked at.
    pub async fn password_ground(
        &self,
        target: UserId,
        caller: Option<&AccessClaims>,
    ) -> Result<PasswordGround, PasswordChangeError> {
        match caller {
            Some(claims) if claims.user_id == target => Ok(PasswordGround::Owner),
            Some(_) => Err(PasswordChangeError::NotFound),
            None if self.policy == ClaimPolicy::Jwt => Err(TokenRefused.into()),
            None => {
                let account = self.ports.accounts.account(target).await?;
                let is_open = account.is_some_and(|account| account.is_open(self.ports.clock.now()));
                if is_open { Ok(PasswordGround::Unclaimed) } else { Err(TokenRefused.into()) }
            }
        }
    }

    /// Changes a password, ends every session and opens another. The store checks the ground once more.
    pub async fn change_password(&self, change: PasswordChange) -> Result<TokenPair, PasswordChangeError> {
        let PasswordChange { user_id, ground, signed_in_at, new_password, current_password, address, client } = change;
        let stored = self.ports.accounts.account(user_id).await?.ok_or(TokenRefused)?;
        if ground == PasswordGround::Unclaimed && !stored.is_open(self.ports.clock.now()) {
            return Err(TokenRefused.into());
        }
        let profile = self.ports.profiles.profile(user_id).await?.ok_or(TokenRefused)?;
        let chosen = Password::choose(&new_password, profile.username.as_ref(), profile.email.as_ref());
        let chosen = chosen.map_err(PasswordChangeError::Invalid)?;
        if let Some(hash) = &stored.password {
            match current_password {
                Some(current) => self.reauthenticate(&profile, hash, current, address).await?,
                None if self.is_within(signed_in_at, FRESH_SIGN_IN) => {}
                None => return Err(PasswordChangeError::ReauthenticationRequired),
            }
        }
        let hash = self.ports.hasher.hash(chosen).await?;
        let now = self.ports.clock.now();
        let (session, tokens) = self.ports.sessions.prepare(user_id, client, None);
        let (event_id, notice) = (self.draw_event_id(now), self.ports.sessions.notice(now));
        let command = SetPassword { user_id, ground, seen: stored.password, hash, session, now, event_id, notice };
        let ending = self.ports.accounts.set_password(&command).await.map_err(|error| match error {
            StorePasswordError::NotFound | StorePasswordError::NotOpen => TokenRefused.into(),
            StorePasswordError::ChangedMeanwhile => PasswordChangeError::ChangedMeanwhile,
            StorePasswordError::Unavailable(cause) => PasswordChangeError::from(cause),
        })?;
        self.ports.sessions.revoke(&ending.event);
        Ok(tokens)
    }

    /// Deletes an account and everything in it.
    pub async fn delete(&self, request: DeletionRequest) -> Result<Tombstone, DeletionError> {
        let DeletionRequest { user_id, signed_in_at, issued_at, password, address } = request;
        let stored = self.ports.accounts.account(user_id).await?.ok_or(TokenRefused)?;
        // Where there is no password, none can be confirmed.
        match password.zip(stored.password) {
            Some((password, hash)) => {
                let profile = self.ports.profiles.profile(user_id).await?.ok_or(TokenRefused)?;
                self.reauthenticate(&profile, &hash, password, address).await.map_err(|error| match error {
                    PasswordChangeError::RateLimited { retry_after } => DeletionError::RateLimited { retry_after },
                    PasswordChangeError::Unavailable(cause) => cause.into(),
                    _ => DeletionError::WrongPassword,
                })?;
            }
            None if self.is_within(Some(signed_in_at), RECENT_SIGN_IN) => {}
            None => return Err(DeletionError::ReauthenticationRequired),
        }
        // On the clock of the issuer where it runs ahead of ours: the token that asks must not outlive the account.
        let now = self.ports.clock.now().max(issued_at);
        let receipt_id = self.ports.entropy.uuid_v7(now);
        let command = DeleteAccount { user_id, receipt_id, now, notice: self.ports.sessions.notice(now) };
        let deletion = self.ports.accounts.delete(&command).await.map_err(|error| match error {
            DeleteError::NotFound => TokenRefused.into(),
            DeleteError::Unavailable(cause) => DeletionError::from(cause),
        })?;
        self.ports.sessions.revoke(&deletion.event);
        Ok(deletion.tombstone)
    }

    /// Reads an account, for its export.
    pub async fn account(&self, user: UserId) -> Result<Option<Account>, Unavailable> {
        self.ports.accounts.account(user).await
    }

    /// How trusted issuers name the user, for the export.
    pub async fn identities(&self, user: UserId) -> Result<Vec<Identity>, Unavailable> {
        self.ports.accounts.identities(user).await
    }

    /// Tells whether a sign-in is recent, in whole seconds, as tokens tell the time.
    fn is_within(&self, signed_in_at: Option<Timestamp>, limit: Duration) -> bool {
        let now = self.ports.clock.now().unix_seconds();
        signed_in_at.is_some_and(|at| now.saturating_sub(at.unix_seconds()).unsigned_abs() <= limit.as_secs())
    }

    async fn reauthenticate(
        &self,
        profile: &Profile,
        hash: &PasswordHash,
        current: Password,
        address: IpAddr,
    ) -> Result<(), PasswordChangeError> {
        // Under the name of a sign-in, so that the two ways to guess share one limit.
        let name = profile.username.as_ref().map_or_else(|| profile.id.to_string(), Username::key);
        let attempt = self.attempts.count(&name, address).await?;
        let attempt = attempt.map_err(|retry_after| PasswordChangeError::RateLimited { retry_after })?;
        let hash = Some(hash.clone()).filter(|_| current.is_plausible());
        let is_right = self.ports.hasher.verify(current, hash).await;
        if matches!(is_right, Ok(false)) {
            return Err(PasswordChangeError::WrongPassword);
        }
        self.attempts.forgive(attempt).await?;
        is_right.map(|_| ()).map_err(PasswordChangeError::from)
    }
}

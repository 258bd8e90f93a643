//! Registration, sign-in and passwords.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::gcra::Limiter;
use frontdesk_kernel::idempotency::Completion;
use frontdesk_kernel::{Clock, Entropy, Event, EventBody, EventId, SessionId, Timestamp, Unavailable, UserId};

use crate::access::{AuthenticationError, AuthorityError};
use crate::account::{Account, FRESH_SIGN_IN, PasswordGround, SetPassword, StorePasswordError};
use crate::account_store::{AccountStore, CreateError, Registered};
use crate::attempts::Attempts;
use crate::channels::Channels;
use crate::claimed::Claimed;
use crate::password::{Password, PasswordHash, PasswordHasher};
use crate::password_change::{PasswordChange, PasswordChangeError};
use crate::profile::{Authority, Profile};
use crate::settings::Settings;
use crate::sign_in::{SignIn, SignInError};
use crate::token::{AccessClaims, TokenRefused, TokenSigner};
use crate::{Email, FieldError, Line, ProfileStore, Username};

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
#[expect(missing_docs, reason = "each field is the port its type names")]
pub struct AccountsPorts {
    pub accounts: Arc<dyn AccountStore>,
    pub profiles: Arc<dyn ProfileStore>,
    pub hasher: Arc<dyn PasswordHasher>,
    pub signer: Arc<dyn TokenSigner>,
    pub limiter: Arc<dyn Limiter>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// Registers users, signs them in and changes their passwords.
#[derive(Clone)]
pub struct Accounts {
    ports: AccountsPorts,
    attempts: Attempts,
    claimed: Arc<Claimed>,
    policy: ClaimPolicy,
    claim_window: Duration,
}

impl Accounts {
    /// Joins the ports. `is_limited` switches the limits on failed sign-ins.
    pub fn new(ports: AccountsPorts, policy: ClaimPolicy, claim_window: Duration, is_limited: bool) -> Self {
        let attempts = Attempts::new(Arc::clone(&ports.limiter), Arc::clone(&ports.clock), is_limited);
        Self { ports, attempts, claimed: Arc::default(), policy, claim_window }
    }

    /// Draws the id of a user to be.
    pub fn draw_user_id(&self) -> UserId {
        UserId::new(self.ports.entropy.uuid_v7(self.ports.clock.now()))
    }

    /// Makes an account, without storing it.
    pub async fn prepare(&self, registration: Registration) -> Result<Registered, RegistrationError> {
        let Registration { user_id, username, display_name, email, password } = registration;
        let password = match password {
            None => None,
            Some(typed) => {
                let chosen = Password::choose(&typed, Some(&username), email.as_ref());
                Some(self.ports.hasher.hash(chosen.map_err(RegistrationError::Password)?).await?)
            }
        };
        let now = self.ports.clock.now();
        let is_unclaimed = password.is_none() && self.policy != ClaimPolicy::Jwt;
        let profile = Profile { display_name, email, ..Profile::new(user_id, Some(username), now) };
        Ok(Registered {
            account: Account {
                id: user_id,
                password,
                claim_open_until: is_unclaimed.then(|| now + self.claim_window),
                created_at: now,
            },
            profile,
            settings: Settings::new(now),
            channels: Channels::default(),
            event: Event {
                id: EventId::new(self.ports.entropy.uuid_v7(now)),
                user_id,
                occurred_at: now,
                body: EventBody::AccountCreated,
            },
        })
    }

    /// Stores a prepared account.
    pub async fn create(&self, new: &Registered, completion: Option<&Completion>) -> Result<(), CreateError> {
        self.ports.accounts.create(new, completion).await
    }

    /// Issues a token for somebody who has just proved who they are, in a session of its own.
    pub fn issue(&self, account: &Account) -> String {
        let now = self.ports.clock.now();
        let issued_at = Timestamp::from_unix_seconds(now.unix_seconds()).unwrap_or(now);
        self.ports.signer.sign(&AccessClaims {
            user_id: account.id,
            session_id: SessionId::new(self.ports.entropy.uuid_v7(now)),
            token_id: self.ports.entropy.uuid_v7(now),
            issued_at,
            expires_at: issued_at + self.ports.signer.lifetime(),
            authenticated_at: issued_at,
            claims_until: account.claim_open_until,
        })
    }

    /// How long a token lives.
    pub fn token_lifetime(&self) -> Duration {
        self.ports.signer.lifetime()
    }

    /// Believes a token, or not. The first use of an unclaimed account's token claims the account.
    pub async fn authenticate(&self, token: &str) -> Result<AccessClaims, AuthenticationError> {
        let now = self.ports.clock.now();
        let claims = self.ports.signer.verify(token, now)?;
        if let Some(until) = claims.claims_until.filter(|until| now < *until)
            && !self.claimed.holds(claims.user_id)
        {
            self.ports.accounts.close_claim(claims.user_id).await?;
            self.claimed.add(claims.user_id, until, now);
        }
        Ok(claims)
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

    /// Signs in with a username and a password.
    pub async fn sign_in(&self, sign_in: SignIn) -> Result<Account, SignInError> {
        let SignIn { username, password, address } = sign_in;
        let key = Username::key_of(&username);
        let attempt = self.attempts.count(&key, address).await?;
        let attempt = attempt.map_err(|retry_after| SignInError::RateLimited { retry_after })?;
        let proven = self.prove(&key, password).await;
        if !matches!(proven, Ok(None)) {
            self.attempts.forgive(attempt).await?;
        }
        let user = proven?.ok_or(SignInError::Refused)?;
        self.ports.accounts.account(user).await?.ok_or(SignInError::Refused)
    }

    /// Finds the user of a name whose password this is.
    async fn prove(&self, username_key: &str, password: Password) -> Result<Option<UserId>, Unavailable> {
        let login = self.ports.accounts.find_login(username_key).await?;
        let hash = login.as_ref().filter(|_| password.is_plausible()).and_then(|login| login.password.clone());
        // An unknown user costs a hash too: the time must not tell who has an account.
        let is_right = self.ports.hasher.verify(password, hash).await?;
        Ok(login.filter(|_| is_right).map(|login| login.user_id))
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

    /// Changes a password, and gives the account after it. The store checks the ground once more.
    pub async fn change_password(&self, change: PasswordChange) -> Result<Account, PasswordChangeError> {
        let PasswordChange { user_id, ground, signed_in_at, new_password, current_password, address } = change;
        let stored = self.ports.accounts.account(user_id).await?.ok_or(TokenRefused)?;
        let profile = self.ports.profiles.profile(user_id).await?.ok_or(TokenRefused)?;
        let chosen = Password::choose(&new_password, profile.username.as_ref(), profile.email.as_ref());
        let chosen = chosen.map_err(PasswordChangeError::Invalid)?;
        if let Some(hash) = &stored.password {
            match current_password {
                Some(current) => {
                    // Under the name of a sign-in, so that the two ways to guess share one limit.
                    let name = profile.username.as_ref().map_or_else(|| user_id.to_string(), Username::key);
                    self.reauthenticate(&name, hash, current, address).await?;
                }
                None if self.is_fresh(signed_in_at) => {}
                None => return Err(PasswordChangeError::ReauthenticationRequired),
            }
        }
        let hash = self.ports.hasher.hash(chosen).await?;
        let now = self.ports.clock.now();
        let event_id = EventId::new(self.ports.entropy.uuid_v7(now));
        let command = SetPassword { user_id, ground, seen: stored.password, hash: hash.clone(), now, event_id };
        self.ports.accounts.set_password(&command).await.map_err(|error| match error {
            StorePasswordError::NotFound | StorePasswordError::NotOpen => TokenRefused.into(),
            StorePasswordError::ChangedMeanwhile => PasswordChangeError::ChangedMeanwhile,
            StorePasswordError::Unavailable(cause) => cause.into(),
        })?;
        Ok(Account { id: user_id, password: Some(hash), claim_open_until: None, created_at: stored.created_at })
    }

    /// Tells whether a sign-in is recent, in whole seconds, as tokens tell the time.
    fn is_fresh(&self, signed_in_at: Option<Timestamp>) -> bool {
        let now = self.ports.clock.now().unix_seconds();
        signed_in_at.is_some_and(|at| now.saturating_sub(at.unix_seconds()).unsigned_abs() <= FRESH_SIGN_IN.as_secs())
    }

    async fn reauthenticate(
        &self,
        name: &str,
        hash: &PasswordHash,
        current: Password,
        address: IpAddr,
    ) -> Result<(), PasswordChangeError> {
        let attempt = self.attempts.count(name, address).await?;
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

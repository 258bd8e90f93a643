//! A running server and a client of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use frontdesk::compose::{Overrides, Running, start};
use frontdesk::config::{Config, Variables};
use frontdesk_profile::password::PasswordHasher;
use frontdesk_testkit::builders::{TestClock, noon};
use frontdesk_testkit::postgres::{TestDatabase, database};
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

/// What the server signs access tokens with.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(crate) const PASSWORD: &str = "Str0ngPassw0rd!";

/// Where a test keeps its data.
pub(crate) enum Store {
    Memory,
    Postgres(TestDatabase),
}

impl Store {
    pub(crate) fn memory() -> Self {
        Self::Memory
    }

    pub(crate) async fn postgres() -> Option<Self> {
        database().await.map(Self::Postgres)
    }

    /// Starts a server on the defaults, without limits.
    pub(crate) async fn open(&self) -> Site {
        self.open_with(&[]).await
    }

    /// Starts a server with variables of the test's own.
    pub(crate) async fn open_with(&self, variables: &[(&str, &str)]) -> Site {
        self.start(variables, None).await
    }

    /// Starts a server on the defaults whose hashing of passwords is watched.
    pub(crate) async fn open_watched(&self, hasher: Arc<dyn PasswordHasher>) -> Site {
        self.start(&[], Some(hasher)).await
    }

    async fn start(&self, variables: &[(&str, &str)], hasher: Option<Arc<dyn PasswordHasher>>) -> Site {
        let mut all = Variables::from([
            ("PORT".to_owned(), "0".to_owned()),
            ("RATE_LIMIT_PER_MINUTE".to_owned(), "0".to_owned()),
            ("JWT_SECRET_KEY".to_owned(), SECRET.to_owned()),
        ]);
        let avatars = tempfile::tempdir().unwrap();
        if let Self::Postgres(database) = self {
            all.insert("AVATAR_DIR".to_owned(), avatars.path().to_str().unwrap().to_owned());
            all.insert("DATABASE_URL".to_owned(), database.url());
            all.insert("DATABASE_POOL_SIZE".to_owned(), "4".to_owned());
        }
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let clock = Arc::new(TestClock::default());
        clock.set(noon());
        let overrides = Overrides { clock: Some(clock.clone()), hasher, workers: Some(2), ..Overrides::default() };
        let config = Config::read(&all).unwrap_or_else(|problems| panic!("{problems}"));
        let running = start(&config, overrides).await.unwrap_or_else(|error| panic!("{error}"));
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Site { base: format!("http://{}", running.address()), client, clock, _running: running, _avatars: avatars }
    }
}

/// A running server.
pub(crate) struct Site {
    pub(crate) base: String,
    pub(crate) clock: Arc<TestClock>,
    client: Client,
    _running: Running,
    /// Where Postgres has no directory of the test's own to keep pictures in.
    _avatars: tempfile::TempDir,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
    pub(crate) text: String,
    /// `null` where the body is no JSON.
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The names of its headers, in order: which there are may tell as much as what they say.
    pub(crate) fn header_names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn etag(&self) -> String {
        self.header("etag").unwrap_or_else(|| panic!("no ETag: {self:?}")).to_owned()
    }

    /// A text field that has to be there.
    pub(crate) fn text_of(&self, name: &str) -> String {
        self.json[name].as_str().unwrap_or_else(|| panic!("no {name}: {self:?}")).to_owned()
    }

    /// The stable code of an error.
    pub(crate) fn code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or_default()
    }

    /// Status and code in one, for assertions that read well.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        (self.status, self.code())
    }
}

/// A user with the tokens of one session.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) token: String,
    pub(crate) refresh: String,
}

impl User {
    /// The same user with the tokens of an answer.
    pub(crate) fn with(&self, answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        Self { token: answer.text_of("access_token"), refresh: answer.text_of("refresh_token"), ..self.clone() }
    }
}

/// A method of a path, as the API's own description has it.
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) takes_token: bool,
    pub(crate) needs_token: bool,
    pub(crate) reads_json: bool,
    pub(crate) reads_form: bool,
    pub(crate) needs_body: bool,
}

/// Sends a request and reads the answer.
pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap().to_vec();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let json = serde_json::from_str(&text).unwrap_or_default();
    Answer { status, headers, bytes, text, json }
}

impl Site {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).timeout(Duration::from_secs(30))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn get_as(&self, user: &User, path: &str) -> Answer {
        send(self.request(Method::GET, path).bearer_auth(&user.token)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn post_as(&self, user: &User, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).bearer_auth(&user.token).json(&body)).await
    }

    pub(crate) async fn delete_as(&self, user: &User, path: &str) -> Answer {
        send(self.request(Method::DELETE, path).bearer_auth(&user.token)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PUT, path).json(&body)).await
    }

    pub(crate) async fn put_as(&self, user: &User, path: &str, body: Value) -> Answer {
        send(self.request(Method::PUT, path).bearer_auth(&user.token).json(&body)).await
    }

    pub(crate) async fn patch_as(&self, user: &User, path: &str, body: Value) -> Answer {
        send(self.request(Method::PATCH, path).bearer_auth(&user.token).json(&body)).await
    }

    /// As the iOS app sends it.
    pub(crate) fn mobile(&self, user: &User, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(&user.token).header("X-App-Type", "mobile")
    }

    pub(crate) async fn mobile_post(&self, user: &User, body: Value) -> Answer {
        send(self.mobile(user, Method::POST, "/mobile/user/profile").json(&body)).await
    }

    /// A username that no other user of this run has.
    pub(crate) fn fresh_name() -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("user_{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A user with a password, and a token for it.
    pub(crate) async fn user(&self) -> User {
        self.register(json!({ "username": Self::fresh_name(), "password": PASSWORD })).await
    }

    /// A user that nobody has claimed. Its token is not used yet.
    pub(crate) async fn unclaimed(&self) -> User {
        self.register(json!({ "username": Self::fresh_name() })).await
    }

    pub(crate) async fn register(&self, body: Value) -> User {
        let answer = self.post("/users", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        User {
            id: answer.text_of("id"),
            username: answer.text_of("username"),
            token: answer.text_of("access_token"),
            refresh: answer.text_of("refresh_token"),
        }
    }

    pub(crate) async fn login(&self, username: &str, password: &str) -> Answer {
        self.post("/api/v1/auth/login", json!({ "username": username, "password": password })).await
    }

    /// Another session of a user whose password is the usual one.
    pub(crate) async fn sign_in(&self, user: &User) -> User {
        user.with(&self.login(&user.username, PASSWORD).await)
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.post("/api/v1/auth/refresh", json!({ "refresh_token": token })).await
    }

    /// What the access token of a user gets: 200 while it is good, 401 after.
    pub(crate) async fn opens(&self, user: &User) -> u16 {
        self.get_as(user, "/api/v1/profile").await.status
    }

    /// The whole profile as v1 shows it.
    pub(crate) async fn profile(&self, user: &User) -> Value {
        let answer = self.get_as(user, "/api/v1/profile").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json
    }

    /// Every operation that the API describes: a new one is tested by what holds for all without being told.
    pub(crate) async fn operations(&self) -> Vec<Operation> {
        let document = self.get("/openapi.json").await.json;
        let paths = document["paths"].as_object().unwrap();
        let all = paths.iter().flat_map(|(path, item)| {
            // A WebSocket is no request with an answer; `rooms` tests it.
            let of_http = |(_, operation): &(&String, &Value)| operation["responses"]["101"].is_null();
            item.as_object().unwrap().iter().filter(of_http).map(|(method, operation)| {
                let ways = operation["security"].as_array().cloned().unwrap_or_default();
                Operation {
                    method: method.to_uppercase().parse().unwrap(),
                    path: path.clone(),
                    takes_token: ways.iter().any(|way| way.get("bearer").is_some()),
                    needs_token: !ways.is_empty() && ways.iter().all(|way| way.get("bearer").is_some()),
                    reads_json: !operation["requestBody"]["content"]["application/json"].is_null(),
                    reads_form: !operation["requestBody"]["content"]["multipart/form-data"].is_null(),
                    needs_body: operation["requestBody"]["required"] == true,
                }
            })
        });
        let all: Vec<_> = all.collect();
        assert!(all.iter().any(|operation| operation.needs_token) && all.iter().any(|operation| operation.reads_json));
        assert!(all.iter().any(|operation| operation.reads_form));
        all
    }
}

//! Sends requests and judges the answers.

use std::io::{self, Write};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;
use url::Url;

use crate::describe::describe;
use crate::healthcheck;

const PATIENCE: Duration = Duration::from_secs(10);

/// What stands around the picture of a form.
const FORM_HEAD: &str = "--frontdesk\r\nContent-Disposition: form-data; name=\"file\"; filename=\"me.png\"\r\n\r\n";
const FORM_TAIL: &str = "\r\n--frontdesk--\r\n";

/// One request, and the status it should get.
pub(super) struct Ask<'a> {
    method: Method,
    path: &'a str,
    body: Option<Value>,
    picture: Option<&'a [u8]>,
    token: Option<&'a str>,
    is_mobile: bool,
}

impl<'a> Ask<'a> {
    pub(super) const fn new(method: Method, path: &'a str) -> Self {
        Self { method, path, body: None, picture: None, token: None, is_mobile: false }
    }

    pub(super) const fn get(path: &'a str) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// A form with a picture in it.
    pub(super) fn picture(self, picture: &'a [u8]) -> Self {
        Self { picture: Some(picture), ..self }
    }

    pub(super) fn token(self, token: &'a str) -> Self {
        Self { token: Some(token), ..self }
    }

    pub(super) fn mobile(self) -> Self {
        Self { is_mobile: true, ..self }
    }
}

/// What came back.
pub(super) struct Answer {
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    /// The text at a JSON pointer (RFC 6901).
    pub(super) fn text(&self, pointer: &str) -> Option<String> {
        self.body.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
    }

    pub(super) fn value(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A client that counts what held and what did not.
pub(super) struct Client<'a, W> {
    http: reqwest::Client,
    base: String,
    out: &'a mut W,
    passed: usize,
    failed: usize,
}

impl<'a, W: Write> Client<'a, W> {
    pub(super) fn new(url: &Url, out: &'a mut W) -> Result<Self, String> {
        let http = healthcheck::client(url, PATIENCE).map_err(|error| describe(&error))?;
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { http, base, out, passed: 0, failed: 0 })
    }

    /// Begins a script.
    pub(super) fn title(&mut self, title: &str) -> io::Result<()> {
        writeln!(self.out, "\n{title}")
    }

    /// Sends a request and judges the status. Gives the answer if it is the expected one.
    pub(super) async fn ask(&mut self, ask: Ask<'_>, status: u16) -> io::Result<Option<Answer>> {
        let what = format!("{} {}{}", ask.method, ask.path, if ask.token.is_some() { ", with the token" } else { "" });
        match self.send(ask).await {
            Err(error) => self.fail(&what, &describe(&error)).map(|()| None),
            Ok((got, answer)) if got == status => {
                self.pass(&format!("{what} -> {status}"))?;
                Ok(Some(answer))
            }
            Ok((got, answer)) => {
                let message = answer.text("/error/message").or_else(|| answer.text("/detail")).unwrap_or_default();
                self.fail(&what, &format!("answers {got} instead of {status}: {message}")).map(|()| None)
            }
        }
    }

    async fn send(&self, ask: Ask<'_>) -> Result<(u16, Answer), reqwest::Error> {
        let Ask { method, path, body, picture, token, is_mobile } = ask;
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(&body);
        }
        if let Some(picture) = picture {
            let form = [FORM_HEAD.as_bytes(), picture, FORM_TAIL.as_bytes()].concat();
            request = request.header(CONTENT_TYPE, "multipart/form-data; boundary=frontdesk").body(form);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if is_mobile {
            request = request.header("X-App-Type", "mobile");
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // A body that is no JSON fails the expectations on it, with the pointer that is missing.
        let body = serde_json::from_slice(&response.bytes().await?).unwrap_or(Value::Null);
        Ok((status, Answer { headers, body }))
    }

    /// Judges one value of an answer.
    pub(super) fn expect(&mut self, what: &str, got: &Value, wanted: &Value) -> io::Result<()> {
        if got == wanted { self.pass(what) } else { self.fail(what, &format!("it is {got} instead of {wanted}")) }
    }

    /// Judges a condition; `otherwise` says what is the case where it does not hold.
    pub(super) fn require(&mut self, what: &str, holds: bool, otherwise: &str) -> io::Result<()> {
        if holds { self.pass(what) } else { self.fail(what, otherwise) }
    }

    fn pass(&mut self, what: &str) -> io::Result<()> {
        self.passed += 1;
        writeln!(self.out, "✓ {what}")
    }

    fn fail(&mut self, what: &str, reason: &str) -> io::Result<()> {
        self.failed += 1;
        writeln!(self.out, "✗ {what}: {reason}")
    }

    /// Ends the report, and tells whether everything held.
    pub(super) fn summary(self) -> io::Result<bool> {
        writeln!(self.out, "\n{} passed, {} failed", self.passed, self.failed)?;
        Ok(self.failed == 0)
    }
}

//! A site that publishes keys, for tests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use reqwest::Url;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// An HTTP server of one answer at a time, which counts how often it is asked.
pub(crate) struct Site {
    pub(crate) url: Url,
    asked: Arc<AtomicUsize>,
    answer: Arc<Mutex<Vec<u8>>>,
    /// One permit for each answer.
    pub(crate) gate: Arc<Semaphore>,
}

pub(crate) fn http(status: &str, head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{head}connection: close\r\n\r\n{body}").into_bytes()
}

pub(crate) fn keys(keys: &[Value]) -> Vec<u8> {
    http("200 OK", "content-type: application/json\r\n", &json!({ "keys": keys }).to_string())
}

impl Site {
    pub(crate) async fn serve(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap()).parse().unwrap();
        let site = Self {
            url,
            asked: Arc::default(),
            answer: Arc::new(Mutex::new(answer)),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        };
        let (asked, answer, gate) = (Arc::clone(&site.asked), Arc::clone(&site.answer), Arc::clone(&site.gate));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 4_096];
                let _ = stream.read(&mut request).await.unwrap();
                asked.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                let answer = answer.lock().unwrap().clone();
                // Who reads no further, as where the answer is too long, closes the connection.
                let _ = stream.write_all(&answer).await;
            }
        });
        site
    }

    pub(crate) fn answers(&self, answer: Vec<u8>) {
        *self.answer.lock().unwrap() = answer;
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

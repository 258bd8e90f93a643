//! Sockets that come and go all the time, on servers that do too: what was missed is told, each of it once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use frontdesk_kernel::Entropy;
use frontdesk_testkit::builders::SeededEntropy;
use frontdesk_testkit::postgres::database;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use super::{LOBBY, Node, User, node};
use crate::client::{Client, Door, Heard};

const FOLLOWERS: u64 = 10;
const DISCONNECTS: usize = 100;

/// Where the server is; nowhere while it restarts.
type Address = watch::Receiver<Option<String>>;

async fn base(address: &mut Address) -> String {
    let there = address.wait_for(Option::is_some).await.unwrap();
    there.clone().unwrap()
}

/// One who goes away again and again, and asks for what happened meanwhile.
struct Follower {
    user: User,
    address: Address,
    draws: SeededEntropy,
    epoch: String,
    offset: u64,
    /// The event at each offset that was told.
    told: HashMap<u64, String>,
    resyncs: usize,
}

impl Follower {
    fn draw(&self, below: u8) -> u8 {
        let mut byte = [0];
        self.draws.fill(&mut byte);
        byte[0] % below
    }

    /// Comes in with the position that it has. A server that ends meanwhile is no failure.
    async fn enter(&mut self) -> Client {
        loop {
            let door = Door::to(&base(&mut self.address).await, LOBBY, &self.user.id).bearer(&self.user.token);
            let since = format!("{}:{}", self.epoch, self.offset);
            let is_first = self.epoch.is_empty();
            let door = if is_first { door } else { door.since(&since) };
            let Ok(mut client) = door.try_open().await else {
                tokio::task::yield_now().await;
                continue;
            };
            match client.next().await {
                Heard::Frame(welcome) => {
                    assert_eq!(welcome["type"], "welcome", "{welcome}");
                    if is_first {
                        self.go_on(&welcome);
                    }
                    return client;
                }
                Heard::Closed(1001 | 1013) | Heard::Lost => {}
                other @ Heard::Closed(_) => panic!("{other:?}"),
            }
        }
    }

    fn go_on(&mut self, frame: &Value) {
        self.epoch = frame["epoch"].as_str().unwrap().to_owned();
        self.offset = frame["offset"].as_u64().unwrap();
    }

    fn take(&mut self, frame: &Value) {
        match frame["type"].as_str().unwrap() {
            "profile_updated" => {
                let next = (self.epoch.as_str(), self.offset + 1);
                assert_eq!((frame["epoch"].as_str().unwrap(), frame["offset"].as_u64().unwrap()), next, "{frame}");
                self.offset += 1;
                let event = frame["event_id"].as_str().unwrap().to_owned();
                assert_eq!(self.told.insert(self.offset, event), None, "told twice: {frame}");
            }
            "resync" => {
                self.resyncs += 1;
                self.go_on(frame);
            }
            "member_joined" | "member_left" => {}
            other => panic!("{other}: {frame}"),
        }
    }

    /// Hears a little, and is gone.
    async fn visit(&mut self) {
        let mut client = self.enter().await;
        for _ in 0..self.draw(8) {
            match client.next().await {
                Heard::Frame(frame) => self.take(&frame),
                Heard::Closed(1001 | 1013) | Heard::Lost => return,
                other @ Heard::Closed(_) => panic!("{other:?}"),
            }
        }
        if self.draw(4) == 0 {
            // What is said meanwhile is not listened to, and asked for again.
            client.leave().await;
        } else {
            client.vanish();
        }
    }

    async fn catch_up(&mut self, end: u64) {
        let mut client = self.enter().await;
        while self.offset < end {
            match client.next().await {
                Heard::Frame(frame) => self.take(&frame),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(self.offset, end);
    }
}

/// Changes a profile until it is told to stop.
async fn edit(user: User, mut address: Address, is_over: Arc<AtomicUsize>) {
    let client = reqwest::Client::new();
    let mut number = 0_u64;
    while is_over.load(Ordering::Relaxed) == 0 {
        let url = format!("{}/api/v1/profile", base(&mut address).await);
        number += 1;
        let request = client.patch(url).bearer_auth(&user.token).json(&json!({ "display_name": number.to_string() }));
        // A server that ends may answer or not.
        if let Ok(answer) = request.send().await {
            assert!(matches!(answer.status().as_u16(), 200 | 503), "{answer:?}");
        }
    }
}

/// The offset of a change after which there is none.
async fn last_of(node: &Node, user: &User) -> u64 {
    let mut own = node.enter(user).await;
    let request = node.request(Method::PATCH, "/api/v1/profile").bearer_auth(&user.token);
    let answer = request.json(&json!({ "display_name": "the end" })).send().await.unwrap();
    let version = answer.json::<Value>().await.unwrap()["version"].clone();
    loop {
        let frame = own.update().await;
        if frame["version"] == version {
            return frame["offset"].as_u64().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_thousand_disconnects_and_two_restarts_every_change_is_told_once() {
    let Some(database) = database().await else { return };
    let start = async || node(Some(&database.url()), None).await;
    let first = start().await;
    let editor = first.register("editor").await;
    first.enter(&editor).await.leave().await;
    let (set_address, address) = watch::channel(Some(first.base()));
    let (visits, one_more) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let mut following = Vec::new();
    for seed in 0..FOLLOWERS {
        let user = first.register(&format!("follower-{seed}")).await;
        let (draws, address) = (SeededEntropy::new(seed), address.clone());
        let (epoch, told) = (String::new(), HashMap::new());
        let mut follower = Follower { user, address, draws, epoch, offset: 0, told, resyncs: 0 };
        let (visits, one_more) = (Arc::clone(&visits), Arc::clone(&one_more));
        following.push(tokio::spawn(async move {
            for _ in 0..DISCONNECTS {
                follower.visit().await;
                visits.fetch_add(1, Ordering::Relaxed);
                one_more.notify_one();
            }
            follower
        }));
    }
    let is_over = Arc::new(AtomicUsize::new(0));
    let editing = tokio::spawn(edit(editor.clone(), address, Arc::clone(&is_over)));
    let mut node = first;
    let all = following.len() * DISCONNECTS;
    for is_asked in [true, false] {
        let until = if is_asked { all / 3 } else { all * 2 / 3 };
        while visits.load(Ordering::Relaxed) < until {
            one_more.notified().await;
        }
        set_address.send(None).unwrap();
        // The first is asked to end, the second is gone from one moment to the next.
        if is_asked {
            node.running.stop().await;
        } else {
            drop(node);
        }
        node = start().await;
        set_address.send(Some(node.base())).unwrap();
    }
    let mut followers = Vec::new();
    for following in following {
        followers.push(following.await.unwrap());
    }
    is_over.store(1, Ordering::Relaxed);
    editing.await.unwrap();
    let end = last_of(&node, &editor).await;
    let mut events: HashMap<u64, String> = HashMap::new();
    for follower in &mut followers {
        follower.catch_up(end).await;
        assert_eq!(follower.resyncs, 0, "nothing was gone");
        for (offset, event) in &follower.told {
            let known = events.entry(*offset).or_insert_with(|| event.clone());
            assert_eq!(known, event, "two events at {offset}");
        }
    }
    assert!(end > 100, "only {end} changes");
}

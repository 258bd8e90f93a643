//! Wakes many sockets of one worker by waking the worker once.
//!
//! A wake from another thread costs a system call, and a delivery to 5,000 sockets thousands of them: as much as sending
//! the frames. So each worker has a ringer, a task of its own. Whoever fills a mailbox leaves word with the ringer of the
//! worker that reads it, which wakes its sockets from within, for nothing.

use std::cell::OnceCell;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// More room for sockets than this is given back once they are woken.
const KEPT: usize = 1_024;

thread_local! {
    static RINGER: OnceCell<Arc<Ringer>> = const { OnceCell::new() };
}

/// The sockets of one worker that have to be woken.
#[derive(Default)]
struct Ringer {
    rung: Mutex<Rung>,
}

#[derive(Default)]
struct Rung {
    bells: Vec<Arc<Bell>>,
    /// Wakes the ringer, where it waits.
    ringer: Option<Waker>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ringer {
    /// The one of this thread, which begins to work where it is asked for first.
    fn of_this_worker() -> Arc<Self> {
        let begin = || {
            let ringer = Arc::<Self>::default();
            let ringing = Arc::clone(&ringer);
            actix_web::rt::spawn(async move { poll_fn(|context| ringing.poll_ring(context)).await });
            ringer
        };
        RINGER.with(|ringer| Arc::clone(ringer.get_or_init(begin)))
    }

    /// Wakes whoever was rung, and waits for the next.
    fn poll_ring(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut rung = lock(&self.rung);
        let mut bells = std::mem::take(&mut rung.bells);
        rung.ringer = Some(context.waker().clone());
        drop(rung);
        for bell in bells.drain(..) {
            if let Some(socket) = lock(&bell.socket).take() {
                socket.wake();
            }
        }
        if bells.capacity() <= KEPT {
            let mut rung = lock(&self.rung);
            if rung.bells.is_empty() {
                rung.bells = bells;
            }
        }
        Poll::Pending
    }
}

/// Wakes one socket, by way of the ringer of its worker.
pub(super) struct Bell {
    ringer: Arc<Ringer>,
    /// Wakes the task that polls the socket.
    socket: Mutex<Option<Waker>>,
}

impl Bell {
    /// One for a socket of this worker.
    ///
    /// # Panics
    /// Outside a worker.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { ringer: Ringer::of_this_worker(), socket: Mutex::new(None) })
    }

    /// Wakes this task from now on.
    pub(super) fn hang(&self, waker: &Waker) {
        let mut socket = lock(&self.socket);
        match &mut *socket {
            Some(socket) => socket.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let ringer = Arc::clone(&self.ringer);
        let mut rung = lock(&ringer.rung);
        rung.bells.push(self);
        let waiting = rung.ringer.take();
        drop(rung);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counted() -> (Arc<Counted>, Waker) {
        let counted = Arc::<Counted>::default();
        (Arc::clone(&counted), Waker::from(counted))
    }

    fn count(counted: &Counted) -> usize {
        counted.0.load(Ordering::Relaxed)
    }

    #[test]
    fn many_bells_wake_their_ringer_once_and_it_wakes_each_socket() {
        let ringer = Arc::<Ringer>::default();
        let (rings, waker) = counted();
        assert!(ringer.poll_ring(&mut Context::from_waker(&waker)).is_pending());
        let sockets: Vec<_> = (0..3_000).map(|_| counted()).collect();
        for (_, waker) in &sockets {
            let bell = Arc::new(Bell { ringer: Arc::clone(&ringer), socket: Mutex::new(None) });
            bell.hang(waker);
            bell.wake();
        }
        assert_eq!(count(&rings), 1);
        assert!(sockets.iter().all(|(woken, _)| count(woken) == 0));
        assert!(ringer.poll_ring(&mut Context::from_waker(&waker)).is_pending());
        assert!(sockets.iter().all(|(woken, _)| count(woken) == 1));
    }

    #[test]
    fn a_bell_that_rings_while_the_ringer_works_is_heard() {
        let ringer = Arc::<Ringer>::default();
        let (rings, waker) = counted();
        let bell = Arc::new(Bell { ringer: Arc::clone(&ringer), socket: Mutex::new(None) });
        for number in 1..=3 {
            assert!(ringer.poll_ring(&mut Context::from_waker(&waker)).is_pending());
            Arc::clone(&bell).wake();
            assert_eq!(count(&rings), number);
        }
    }

    #[actix_web::test]
    async fn a_socket_is_woken_from_another_thread() {
        let (bell, mut has_rung) = (Bell::new(), false);
        let waker = Waker::from(Arc::clone(&bell));
        let woken = poll_fn(|context| {
            if std::mem::replace(&mut has_rung, true) {
                return Poll::Ready(());
            }
            bell.hang(context.waker());
            let waker = waker.clone();
            std::thread::spawn(move || waker.wake());
            Poll::Pending
        });
        woken.await;
    }
}

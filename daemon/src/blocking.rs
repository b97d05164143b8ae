//! Work that takes long, or waits: for the disk, or for a peer.
//!
//! In a runtime of several threads it has one of its own. In a runtime of one thread, which a simulation's is, it runs where it stands
//! (`run`), or in turns with the runtime (`spawn_blocking`): beside the runtime it would end at another point each time.

use std::cell::RefCell;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::task::{Context, Poll, Waker};
use std::thread;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinHandle;

/// Done on the thread of work when its turn begins.
pub type TurnBegins = Box<dyn FnOnce() + Send>;
/// Called on the runtime's thread before each turn of work; what it gives is done where the work is.
pub type OnTurn = Box<dyn Fn() -> TurnBegins>;

thread_local! {
    /// Of a thread that works in turns.
    static TURNS: RefCell<Option<Turns>> = const { RefCell::new(None) };
    /// Of the runtime's thread.
    static ON_TURN: RefCell<Option<OnTurn>> = const { RefCell::new(None) };
}

/// A turn of work.
struct Turn {
    waker: Waker,
    begins: Option<TurnBegins>,
}

/// The turns of work, as it has them.
struct Turns {
    coming: Receiver<Turn>,
    over: SyncSender<()>,
    waker: Waker,
}

/// The same, as its task has them. While it is gone the work comes to its end: what it waits for never comes.
struct Worker {
    turns: Option<(SyncSender<Turn>, Receiver<()>)>,
    thread: Option<thread::JoinHandle<()>>,
}

/// From now on `tell` is called on this thread before each turn of work that the runtime of this thread waits for: so a simulation lets
/// it have its clock.
pub fn on_turn(tell: OnTurn) {
    ON_TURN.set(Some(tell));
}

/// Runs `work` outside of the runtime's threads; in a runtime of one thread where it stands. `None`
/// if it panicked, or the runtime ends.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if is_alone() { Some(work()) } else { tokio::task::spawn_blocking(work).await.ok() }
}

/// Runs `work`, which may [`wait`], on a thread of its own.
///
/// In a runtime of one thread only one of the two runs at a time: the runtime waits until the work is done, or waits for something, and
/// goes on with the work once that has come.
pub(crate) fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    if is_alone() { tokio::spawn(in_turns(work)) } else { tokio::task::spawn_blocking(work) }
}

/// Waits for something on a thread of [`spawn_blocking`]. `None` if nobody waits for that work any more.
pub(crate) fn wait<T>(runtime: &Handle, coming: impl Future<Output = T>) -> Option<T> {
    let Some(mut turns) = TURNS.take() else { return Some(runtime.block_on(coming)) };
    let mut coming = std::pin::pin!(coming);
    let came = loop {
        if let Poll::Ready(came) = coming.as_mut().poll(&mut Context::from_waker(&turns.waker)) {
            break Some(came);
        }
        if turns.over.send(()).is_err() {
            break None;
        }
        match turns.coming.recv() {
            Ok(turn) => turns.waker = turn.begin(),
            Err(_) => break None,
        }
    };
    TURNS.set(Some(turns));
    came
}

fn is_alone() -> bool {
    Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread
}

async fn in_turns<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (turns, coming) = sync_channel::<Turn>(1);
    let (over, is_over) = sync_channel(1);
    let (done, is_done) = sync_channel(1);
    let runtime = Handle::current();
    let begun = thread::Builder::new().name("work".into()).spawn(move || {
        let _within = runtime.enter();
        let Ok(first) = coming.recv() else { return };
        let waker = first.begin();
        TURNS.set(Some(Turns { coming, over: over.clone(), waker }));
        // An error: nobody waits for it any more.
        done.send(work()).unwrap_or_default();
        over.send(()).unwrap_or_default();
    });
    // As tokio does where the system has no thread.
    let thread = begun.unwrap_or_else(|error| panic!("there is no thread for work: {error}"));
    let worker = Worker { turns: Some((turns, is_over)), thread: Some(thread) };
    std::future::poll_fn(move |context| {
        let begins = ON_TURN.with_borrow(|tell| tell.as_ref().map(|tell| tell()));
        let turn = Turn { waker: context.waker().clone(), begins };
        let take = |(turns, is_over): &(SyncSender<Turn>, Receiver<()>)| {
            turns.send(turn).is_ok() && is_over.recv().is_ok()
        };
        assert!(worker.turns.as_ref().is_some_and(take), "work ended in a panic");
        match is_done.try_recv() {
            Ok(done) => Poll::Ready(done),
            Err(_) => Poll::Pending,
        }
    })
    .await
}

impl Turn {
    fn begin(self) -> Waker {
        if let Some(begins) = self.begins {
            begins();
        }
        self.waker
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.turns.take());
        if let Some(thread) = self.thread.take() {
            // How it ended was seen where its end was waited for.
            thread.join().unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::{Instant, sleep};

    use super::*;

    /// Work that waited beside the runtime of a simulation held up its clock, or came when the clock was somewhere else.
    #[tokio::test(start_paused = true)]
    async fn work_waits_by_the_clock_of_a_runtime_of_one_thread() {
        let begun = Instant::now();
        let hour = Duration::from_secs(3600);
        let work = spawn_blocking(move || {
            let runtime = Handle::current();
            wait(&runtime, sleep(hour)).expect("it is waited for");
            wait(&runtime, sleep(hour)).expect("it is waited for");
            begun.elapsed()
        });
        assert_eq!(work.await.expect("no panic"), 2 * hour);
    }

    #[tokio::test]
    async fn work_and_a_runtime_of_one_thread_take_turns() {
        let turns = Arc::new(AtomicUsize::new(0));
        let (ask, asked) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        let at = Arc::clone(&turns);
        let work = spawn_blocking(move || {
            ask.send(at.fetch_add(1, Ordering::Relaxed)).expect("it is waited for");
            wait(&Handle::current(), answered).expect("it is waited for").expect("it is told")
        });
        assert_eq!(asked.await, Ok(0));
        answer.send(turns.fetch_add(1, Ordering::Relaxed)).expect("the work waits");
        assert_eq!(work.await.expect("no panic"), 1);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends() {
        let (begins, begun) = oneshot::channel();
        let (never, coming) = oneshot::channel::<()>();
        let (ends, ended) = oneshot::channel();
        let work = spawn_blocking(move || {
            begins.send(()).expect("it is waited for");
            let came = wait(&Handle::current(), coming);
            ends.send(came.is_none()).expect("it is waited for");
        });
        begun.await.expect("it began");
        work.abort();
        assert_eq!(ended.await, Ok(true));
        drop(never);
    }

    #[tokio::test]
    async fn a_turn_begins_with_what_is_to_be_done_then() {
        thread_local! {
            static TOLD: RefCell<usize> = const { RefCell::new(0) };
        }
        let count = AtomicUsize::new(0);
        on_turn(Box::new(move || {
            let turn = count.fetch_add(1, Ordering::Relaxed) + 1;
            Box::new(move || TOLD.set(turn))
        }));
        let work = spawn_blocking(|| {
            let first = TOLD.take();
            wait(&Handle::current(), tokio::task::yield_now()).expect("it is waited for");
            (first, TOLD.take())
        });
        assert_eq!(work.await.expect("no panic"), (1, 2));
    }
}

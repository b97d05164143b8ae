//! Whether the user is there, as far as requests tell, and the lock that falls shut when they are not.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Notify;

use super::{Shared, stopping};
use crate::clock::Clock;
use crate::limits::AUTO_LOCK_CHECKED_EVERY;
use martlet_engine::command::Lock;

/// What is asked by programs that only look on, or wait: no sign of the user.
const PASSIVE: [&str; 6] = [
    "/v1/status",
    "/v1/events",
    "/v1/peers/events",
    "/v1/metrics",
    "/v1/doctor",
    "/v1/openapi.json",
];

/// When the user asked for something last.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// When the last request ended, by the steady clock, ms.
    last_ms: AtomicU64,
    /// Requests that are being answered.
    running: AtomicUsize,
    /// Told at each request.
    asked: Notify,
}

impl Activity {
    /// Since when nobody has asked for anything.
    fn idle(&self, steady: Duration) -> Duration {
        if self.running.load(Ordering::Acquire) > 0 {
            return Duration::ZERO;
        }
        steady.saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Acquire)))
    }

    fn note(&self, steady: Duration) {
        let ms = u64::try_from(steady.as_millis()).unwrap_or(u64::MAX);
        self.last_ms.fetch_max(ms, Ordering::AcqRel);
        self.asked.notify_one();
    }
}

/// A request that is being answered, until dropped: also where its client went away.
struct Running {
    shared: Shared,
}

impl Running {
    fn of(shared: &Shared) -> Self {
        shared.activity().running.fetch_add(1, Ordering::AcqRel);
        Self { shared: shared.clone() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let activity = self.shared.activity();
        activity.note(self.shared.engine().clock().steady());
        activity.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Notes requests that tell of the user.
pub(super) async fn note(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let is_passive = request.method() == Method::GET && PASSIVE.contains(&request.uri().path());
    let _running = (!is_passive).then(|| Running::of(&shared));
    next.run(request).await
}

/// Locks the vault whenever nobody has asked for anything in so long, until the daemon stops. By a clock that goes on
/// while the machine sleeps.
pub(super) async fn lock_when_idle(shared: Shared, after: Duration) {
    let mut ending = shared.ending();
    shared.activity().note(shared.engine().clock().steady());
    let watch = async {
        loop {
            let asked = shared.activity().asked.notified();
            let idle = shared.activity().idle(shared.engine().clock().steady());
            if let Some(left) = after.checked_sub(idle).filter(|left| !left.is_zero()) {
                // A machine that slept is noticed soon after it woke.
                tokio::time::sleep(left.min(AUTO_LOCK_CHECKED_EVERY)).await;
                continue;
            }
            // An error: it is locked, or has no passphrase, or the daemon stops.
            if shared.engine().call(Lock {}).await.is_ok() {
                tracing::info!("the vault was locked, since nobody had asked for anything");
                shared.vault_was_locked();
            }
            asked.await;
        }
    };
    tokio::select! {
        () = watch => {}
        () = stopping(&mut ending) => {}
    }
}

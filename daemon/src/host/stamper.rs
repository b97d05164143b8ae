//! The thread that makes stamps for the engine's thread.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use martlet_engine::limits::STAMP_JOBS_MAX;
use martlet_engine::{Input, StampJob};
use tokio::sync::mpsc::WeakSender;

use super::handle::Order;

/// Of the system's 40 steps the lowest: stamps take the time that nobody else wants.
const NICENESS: i32 = 19;

/// Gives jobs to the thread; it ends with this.
#[derive(Debug)]
pub(super) struct Stamper {
    jobs: SyncSender<StampJob>,
}

impl Stamper {
    /// Starts the thread; results go to `orders`.
    pub(super) fn spawn(orders: WeakSender<Order>) -> io::Result<Self> {
        // The engine has no more jobs out than fit.
        let (jobs, waiting) = sync_channel(STAMP_JOBS_MAX);
        std::thread::Builder::new().name("stamper".into()).spawn(move || run(&waiting, &orders))?;
        Ok(Self { jobs })
    }

    pub(super) fn give(&self, job: StampJob) {
        if self.jobs.try_send(job).is_err() {
            tracing::error!("the stamper takes no job: a defect; restart the daemon");
        }
    }
}

fn run(jobs: &Receiver<StampJob>, orders: &WeakSender<Order>) {
    // On Linux niceness is a thread's own.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "stamps are made at the daemon's own priority");
    }
    for job in jobs {
        let result = Input::Stamped(job.run());
        let Some(orders) = orders.upgrade() else { return };
        if orders.blocking_send(Order::Input(result)).is_err() {
            return;
        }
    }
}

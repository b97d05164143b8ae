//! The verbs, one file each: its arguments, its call, how its answer looks.
//!
//! A new verb is a file with `Args` and `Args::run`, and its line in `verbs!` below.

mod backup;
mod ban;
mod bugreport;
mod completions;
mod contact;
mod dial;
mod doctor;
mod history;
mod id;
mod inbox;
mod init;
mod lock;
mod metrics;
mod netcheck;
mod network;
mod note;
mod peers;
mod ping;
mod read;
mod requests;
mod send;
mod status;
mod text;
mod unban;
mod unlock;
mod watch;

use crate::client::Client;
use crate::exit::Failure;
use crate::render::Output;

/// What a verb works with.
pub(crate) struct Context {
    pub(crate) client: Option<Client>,
    pub(crate) output: Output,
}

impl Context {
    /// The client of the daemon.
    pub(crate) fn client(&self) -> Result<&Client, Failure> {
        self.client.as_ref().ok_or_else(|| {
            Failure::Usage(
                "cannot tell where the daemon's socket is, since HOME is not set: name it with --socket or MARTLET_SOCKET"
                    .to_owned(),
            )
        })
    }
}

macro_rules! verbs {
    ($($verb:ident($module:ident)),* $(,)?) => {
        /// A verb and its arguments.
        #[derive(Debug, clap::Subcommand)]
        pub(crate) enum Verb {
            $($verb($module::Args)),*
        }

        impl Verb {
            /// Does it.
            pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
                match self {
                    $(Self::$verb(args) => args.run(context).await),*
                }
            }
        }
    };
}

// In the order of `--help`.
verbs! {
    Init(init),
    Unlock(unlock),
    Lock(lock),
    Status(status),
    Id(id),
    Contact(contact),
    Ping(ping),
    Requests(requests),
    Send(send),
    Note(note),
    Inbox(inbox),
    Read(read),
    History(history),
    Watch(watch),
    Peers(peers),
    Dial(dial),
    Metrics(metrics),
    Network(network),
    Ban(ban),
    Unban(unban),
    Backup(backup),
    Doctor(doctor),
    Netcheck(netcheck),
    Bugreport(bugreport),
    Completions(completions),
}

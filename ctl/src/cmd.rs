//! The verbs, one file each: its arguments, its call, how its answer looks.
//!
//! A new verb is a file with `Args` and `Args::run`, and its line in `verbs!` below.

mod account;
mod backup;
mod ban;
mod block;
mod blocked;
mod bugreport;
mod by_phrase;
mod chat;
mod completions;
mod contact;
mod conversation;
mod conversations;
mod delete;
mod device;
mod dial;
mod doctor;
mod draft;
mod edit;
mod file;
mod handle;
mod history;
mod id;
mod inbox;
mod init;
mod invite;
mod listen;
mod lock;
mod metrics;
mod netcheck;
mod network;
mod note;
mod passphrase;
mod peers;
mod ping;
mod privacy;
mod profile;
mod react;
mod read;
mod recall;
mod requests;
mod restore;
mod room;
mod search;
mod send;
mod settings;
mod shred;
mod status;
mod text;
mod unban;
mod unblock;
mod unlock;
mod watch;

use std::ffi::OsString;

use crate::client::Client;
use crate::exit::Failure;
use crate::render::Output;

/// What a verb works with.
pub(crate) struct Context {
    pub(crate) client: Option<Client>,
    pub(crate) output: Output,
    /// What this program is called with before the verb's arguments, to be called again: nothing, but where it is a part of
    /// another program.
    pub(crate) before: Vec<OsString>,
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
    Passphrase(passphrase),
    Status(status),
    Id(id),
    Device(device),
    Account(account),
    Profile(profile),
    Contact(contact),
    Invite(invite),
    Handle(handle),
    Room(room),
    Ping(ping),
    Requests(requests),
    Block(block),
    Unblock(unblock),
    Blocked(blocked),
    Send(send),
    File(file),
    Note(note),
    React(react),
    Edit(edit),
    Draft(draft),
    Inbox(inbox),
    Read(read),
    History(history),
    Search(search),
    Conversations(conversations),
    Conversation(conversation),
    Recall(recall),
    Delete(delete),
    Settings(settings),
    Watch(watch),
    Chat(chat),
    Listen(listen),
    Peers(peers),
    Dial(dial),
    Metrics(metrics),
    Network(network),
    Ban(ban),
    Unban(unban),
    Backup(backup),
    Restore(restore),
    Shred(shred),
    Privacy(privacy),
    Doctor(doctor),
    Netcheck(netcheck),
    Bugreport(bugreport),
    Completions(completions),
}

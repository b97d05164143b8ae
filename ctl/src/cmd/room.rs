//! `room`: conversations of many.

mod text;

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::{
    Room, RoomAddBy, RoomChange, RoomCreate, RoomList, RoomMember, RoomMemberRequest,
    RoomOperations, RoomRole, TimerSetting,
};

use super::Context;
use crate::client::encode;
use crate::complete::{contacts, rooms};
use crate::exit::Failure;
use crate::render::{Page, Paint, Question, argument, timer, word};
pub(crate) use text::deed;
use text::{invited, listed, operations, shown};

/// Rooms: conversations of many
///
/// A room has no server: it is what its members' devices tell each other of it. Who makes it is its first moderator, and
/// nobody can put them out. All in a room can write to each other, contacts or not.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a room
    #[command(after_help = "\
Examples:
  martletctl room create bridge
  martletctl room create bridge bob carol")]
    Create {
        /// Its name, for all in it
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// Contacts who are added at once
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = contacts())]
        who: Vec<String>,
    },
    /// List the rooms that you are in, or were
    #[command(after_help = "\
Example:
  martletctl room list")]
    List,
    /// Show a room: how it is set, and who is in it
    #[command(after_help = "\
Example:
  martletctl room show bridge")]
    Show {
        /// The room's name, or its id
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = rooms())]
        room: String,
    },
    /// Add contacts to a room
    #[command(after_help = "\
Examples:
  martletctl room invite bridge carol
  martletctl room invite bridge carol dave erin")]
    Invite {
        /// The room's name, or its id
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = rooms())]
        room: String,
        /// The contacts' names
        #[arg(required = true, value_parser = NonEmptyStringValueParser::new(), add = contacts())]
        who: Vec<String>,
    },
    /// Put someone out of a room
    ///
    /// They are told. Who has not heard of it yet may go on to write to them until they do. What they did as a moderator stays,
    /// unless you undo it.
    #[command(after_help = "\
Examples:
  martletctl room remove bridge carol
  martletctl room remove bridge carol --undo
  martletctl room remove bridge carol --undo-from 1a2b3c")]
    Remove {
        /// The room's name, or its id
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = rooms())]
        room: String,
        /// A contact's name, or the ID of who is in the room, or what they call themselves
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = contacts())]
        who: String,
        /// Undo all that they did there since you became a moderator: whom they added is out, too
        #[arg(long)]
        undo: bool,
        /// Of that undo this operation, and what they did after or beside it; `room ops` shows the ids
        #[arg(long, value_name = "OPERATION", conflicts_with = "undo")]
        undo_from: Option<String>,
    },
    /// Say who moderates a room
    #[command(subcommand)]
    Moderator(Moderator),
    /// Change how a room is set, for all in it
    #[command(after_help = "\
Examples:
  martletctl room set bridge --name 'bridge, night watch'
  martletctl room set bridge --expire 1d --add-by members")]
    Set(Set),
    /// Leave a room; what was written there stays
    ///
    /// Its last moderator is asked first: nobody else could change it then.
    #[command(after_help = "\
Example:
  martletctl room leave bridge")]
    Leave {
        /// The room's name, or its id
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = rooms())]
        room: String,
        /// Don't ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Forget a room that you left or were removed from, with all that was written there, on this device
    ///
    /// Your other devices keep it. If someone adds you again, it is there again, without what was written before.
    #[command(after_help = "\
Example:
  martletctl room forget bridge")]
    Forget {
        /// The room's name, or its id
        #[arg(add = rooms())]
        room: String,
    },
    /// End a room for all in it; of moderators who did not make it that takes two
    #[command(after_help = "\
Example:
  martletctl room close bridge --yes")]
    Close {
        /// The room's name, or its id
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = rooms())]
        room: String,
        /// Don't ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Show what was done to a room, by whom, and whether it counts
    #[command(after_help = "\
Example:
  martletctl room ops bridge")]
    Ops {
        /// The room's name, or its id
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = rooms())]
        room: String,
    },
}

#[derive(Debug, clap::Subcommand)]
enum Moderator {
    /// Make someone a moderator, and a member if they are none
    #[command(after_help = "\
Example:
  martletctl room moderator add bridge bob")]
    Add {
        /// The room's name, or its id
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = rooms())]
        room: String,
        /// A contact's name, or the ID of who is in the room, or what they call themselves
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = contacts())]
        who: String,
    },
    /// Make a moderator a member again
    #[command(after_help = "\
Example:
  martletctl room moderator remove bridge bob")]
    Remove {
        /// The room's name, or its id
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = rooms())]
        room: String,
        /// A contact's name, or the ID of who is in the room, or what they call themselves
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = contacts())]
        who: String,
    },
}

#[derive(Debug, clap::Args)]
struct Set {
    /// The room's name, or its id
    #[arg(value_parser = NonEmptyStringValueParser::new(), add = rooms())]
    room: String,
    /// Its name from now on
    #[arg(long)]
    name: Option<String>,
    /// Messages are gone so long after they are sent: 1s to 6d, or off
    #[arg(long, value_name = "TIME", value_parser = timer, allow_hyphen_values = true)]
    expire: Option<TimerSetting>,
    /// Messages are gone so long after they are read: 1s to 6d, or off
    #[arg(long, value_name = "TIME", value_parser = timer, allow_hyphen_values = true)]
    burn: Option<TimerSetting>,
    /// Who may add others
    #[arg(long, value_name = "WHO")]
    add_by: Option<AddBy>,
    /// Whether nothing is shown of who is removed, even if they had not heard of it
    #[arg(long, value_name = "BOOL")]
    strict: Option<bool>,
    /// Up to how many people others are added: 2 to 256
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=256))]
    members: Option<u16>,
    /// How many messages of before they came who is added is told, of the last six days: 0 to 200
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=200))]
    history: Option<u8>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum AddBy {
    Moderators,
    Members,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, output) = (context.client()?, &context.output);
        match self.verb {
            Verb::Create { name, who } => {
                let room: Room = client.post("/v1/rooms", &RoomCreate { name }).await?;
                let made = |room: &Room, page: &mut Page| {
                    let name = page.paint(Paint::Bold, &word(&room.name));
                    page.line(match who.is_empty() {
                        true => format!(
                            "Made the room {name}. Add someone: martletctl room invite {} NAME",
                            argument(&room.name)
                        ),
                        false => format!("Made the room {name}."),
                    });
                };
                if who.is_empty() {
                    return output.show(&room, made);
                }
                if !output.is_json() {
                    output.show(&room, made)?;
                }
                invite(context, &room.id, &who).await
            }
            Verb::List => {
                let list: RoomList = client.get("/v1/rooms").await?;
                output.show(&list, listed)
            }
            Verb::Show { room } => {
                let room: Room = client.get(&path(&room)).await?;
                output.show(&room, shown)
            }
            Verb::Invite { room, who } => invite(context, &room, &who).await,
            Verb::Remove { room, who, undo, undo_from } => {
                let query = match &undo_from {
                    Some(from) => format!("?undo_from={}", encode(from)),
                    None if undo => "?undo=true".to_owned(),
                    None => String::new(),
                };
                let undone = undo || undo_from.is_some();
                let path = format!("{}/members/{}{query}", path(&room), encode(&who));
                client.delete(&path).await?;
                let too = if undone { ", and what they did is undone" } else { "" };
                output.done(&format!(
                    "{} is out of the room{too}. Who has not heard of it may still write to them.",
                    word(&who)
                ))
            }
            Verb::Forget { room } => {
                client.delete(&path(&room)).await?;
                output.done(&format!("{} is forgotten on this device.", word(&room)))
            }
            Verb::Moderator(Moderator::Add { room, who }) => {
                let request = RoomMemberRequest { who: who.clone() };
                let room: Room =
                    client.post(&format!("{}/moderators", path(&room)), &request).await?;
                output.show(&room, |room, page| {
                    page.line(format!("{} is a moderator of {}.", word(&who), word(&room.name)));
                })
            }
            Verb::Moderator(Moderator::Remove { room, who }) => {
                client.delete(&format!("{}/moderators/{}", path(&room), encode(&who))).await?;
                output.done(&format!("{} is no moderator any more.", word(&who)))
            }
            Verb::Set(set) => {
                let Set { room, name, expire, burn, add_by, strict, members, history } = set;
                let change = RoomChange {
                    name,
                    expire_seconds: expire,
                    burn_seconds: burn,
                    add_by: add_by.map(|who| match who {
                        AddBy::Moderators => RoomAddBy::Moderators,
                        AddBy::Members => RoomAddBy::Members,
                    }),
                    strict,
                    members_max: members,
                    history,
                };
                let room: Room = client.patch(&path(&room), &change).await?;
                output.show(&room, shown)
            }
            Verb::Leave { room, yes } => {
                if !yes {
                    let room: Room = client.get(&path(&room)).await?;
                    if leaves_nobody_to_moderate(&room) {
                        output.confirm(&Question {
                            text: &format!(
                                "Leave {}? You are its last moderator: nobody could change it or put anyone out any more. \
                                 (martletctl room moderator add {} NAME makes another one.)",
                                word(&room.name),
                                argument(&room.name)
                            ),
                            refused: "you are still in the room",
                            to_do: "leave the room",
                        })?;
                    }
                }
                client.post_empty::<()>(&format!("{}/leave", path(&room))).await?;
                output.done(&format!("You left {}.", word(&room)))
            }
            Verb::Close { room, yes } => {
                if !yes {
                    // Asked only about one there is.
                    let room: Room = client.get(&path(&room)).await?;
                    output.confirm(&Question {
                        text: &format!("End {} for all in it, for good?", word(&room.name)),
                        refused: "the room goes on",
                        to_do: "close the room",
                    })?;
                }
                let room: Room = client.post_empty(&format!("{}/close", path(&room))).await?;
                output.show(&room, |room, page| {
                    let name = word(&room.name);
                    page.line(match room.closed {
                        true => format!("{name} is closed: it can be read only."),
                        false => format!("{name} is closed once another moderator says so, too."),
                    });
                })
            }
            Verb::Ops { room } => {
                let ops: RoomOperations =
                    client.get(&format!("{}/operations", path(&room))).await?;
                output.show(&ops, operations)
            }
        }
    }
}

/// Whether others are in a room of which the user is the only moderator.
fn leaves_nobody_to_moderate(room: &Room) -> bool {
    let is_in = |member: &&RoomMember| !matches!(member.role, RoomRole::Removed | RoomRole::Left);
    let mut others = room.members.iter().filter(is_in).filter(|member| !member.who.you).peekable();
    room.role == RoomRole::Moderator
        && !room.closed
        && others.peek().is_some()
        && others.all(|member| member.role != RoomRole::Moderator)
}

fn path(room: &str) -> String {
    format!("/v1/rooms/{}", encode(room))
}

/// Adds one after the other: who was added before one who can't be stays.
async fn invite(context: &Context, room: &str, all: &[String]) -> Result<(), Failure> {
    let (client, output) = (context.client()?, &context.output);
    let path = format!("{}/members", path(room));
    for (number, who) in all.iter().enumerate() {
        let room: Room = client.post(&path, &RoomMemberRequest { who: who.clone() }).await?;
        let is_last = number + 1 == all.len();
        if is_last || !output.is_json() {
            output.show(&room, |room, page| page.line(invited(room, who)))?;
        }
    }
    Ok(())
}

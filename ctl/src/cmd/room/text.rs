//! Rooms in words.

use martlet_protocol::control::{
    Room, RoomAction, RoomAddBy, RoomList, RoomMember, RoomOperation, RoomOperations, RoomRole,
};

use crate::render::{Page, Paint, Table, count, in_words, one_line, person, short, word};

pub(super) fn invited(room: &Room, who: &str) -> String {
    let member = room.members.iter().find(|it| it.who.name.as_deref() == Some(who));
    let (who, name) = (word(who), word(&room.name));
    match member.map(|member| member.devices) {
        Some(0) => format!(
            "{who} is added to {name}. Their keys have not been found yet: they are told as soon as they are, and get what is \
             written from then on."
        ),
        Some(_) | None => format!("{who} is added to {name}."),
    }
}

fn role(role: RoomRole) -> (Paint, &'static str) {
    match role {
        RoomRole::Invited => (Paint::Warn, "invited"),
        RoomRole::Member => (Paint::Plain, "member"),
        RoomRole::Moderator => (Paint::Bold, "moderator"),
        RoomRole::Removed => (Paint::Bad, "removed"),
        RoomRole::Left => (Paint::Dim, "left"),
    }
}

fn is_in(member: &RoomMember) -> bool {
    matches!(member.role, RoomRole::Invited | RoomRole::Member | RoomRole::Moderator)
}

pub(super) fn listed(list: &RoomList, page: &mut Page) {
    if list.rooms.is_empty() {
        return page.line("No rooms yet: martletctl room create NAME");
    }
    let mut table = Table::new(&["NAME", "UNREAD", "PEOPLE", "YOU", "ID"]);
    for room in &list.rooms {
        let unread = match room.unread {
            0 => (Paint::Dim, "-".to_owned()),
            unread => (Paint::Warn, unread.to_string()),
        };
        let people = room.members.iter().filter(|member| is_in(member)).count();
        let (paint, mine) = role(room.role);
        let mine = if room.closed { format!("{mine}, closed") } else { mine.to_owned() };
        table.row(vec![
            (Paint::Bold, word(&room.name)),
            unread,
            (Paint::Plain, people.to_string()),
            (paint, mine),
            (Paint::Dim, short(&room.id)),
        ]);
    }
    table.write(page);
}

pub(super) fn shown(room: &Room, page: &mut Page) {
    let closed = if room.closed { ", closed: it can be read only" } else { "" };
    page.line(format!("{}{closed}", page.paint(Paint::Bold, &word(&room.name))));
    let ends = |seconds: Option<u32>, when: &str| {
        seconds.map(|seconds| {
            format!("messages end {} after they are {when}", in_words(seconds.into()))
        })
    };
    let settings = &room.settings;
    let who = match settings.add_by {
        RoomAddBy::Moderators => "moderators add people",
        RoomAddBy::Members => "all members add people",
    };
    let history = (settings.history > 0)
        .then(|| format!("who is added is told the last {} messages", settings.history));
    let strict = settings.strict.then(|| "nothing is shown of who is removed".to_owned());
    let all = [
        Some(format!("{who}, up to {}", settings.members_max)),
        ends(settings.expire_seconds, "sent"),
        ends(settings.burn_seconds, "read"),
        strict,
        history,
    ];
    page.line(all.into_iter().flatten().collect::<Vec<_>>().join("; "));
    page.line("");
    let mut table = Table::new(&["WHO", "IS", "DEVICES"]);
    for member in &room.members {
        let (paint, is) = role(member.role);
        let is = if member.creator { format!("{is}, made it") } else { is.to_owned() };
        let devices = match member.devices {
            _ if !is_in(member) => (Paint::Dim, "-".to_owned()),
            _ if member.terminated_at.is_some() => (Paint::Dim, "terminated".to_owned()),
            0 => (Paint::Warn, "no keys yet".to_owned()),
            devices => (Paint::Plain, devices.to_string()),
        };
        table.row(vec![(Paint::Bold, person(&member.who)), (paint, is), devices]);
    }
    table.write(page);
    page.line("");
    page.line(page.paint(
        Paint::Dim,
        &format!("{}; id {}", count(room.operations, "operation"), word(&room.id)),
    ));
}

pub(super) fn operations(ops: &RoomOperations, page: &mut Page) {
    for op in &ops.operations {
        let time = page.clock().day_and_minute(op.at);
        let lead = format!(
            "{}  {}  ",
            page.paint(Paint::Dim, &short(&op.id)),
            page.paint(Paint::Dim, &time)
        );
        let void = match (op.counts, &op.undone_by) {
            (true, _) => String::new(),
            (false, Some(by)) => page.paint(Paint::Bad, &format!("  (undone by {})", short(by))),
            (false, None) => page.paint(Paint::Bad, "  (does not count)"),
        };
        page.hanging(&lead, &format!("{}{void}", deed(op)));
    }
}

/// What someone did to a room, in words.
pub(crate) fn deed(op: &RoomOperation) -> String {
    let by = person(&op.by);
    let who = op.who.as_ref().map_or_else(|| "someone".to_owned(), person);
    match op.action {
        RoomAction::Create => format!("{by} made the room"),
        RoomAction::Add => format!("{by} added {who}"),
        RoomAction::Remove => format!("{by} removed {who}"),
        RoomAction::AddModerator => format!("{by} made {who} a moderator"),
        RoomAction::RemoveModerator if op.who.as_ref().is_some_and(|it| it.id == op.by.id) => {
            format!("{by} moderates no more")
        }
        RoomAction::RemoveModerator => format!("{by} made {who} a member again"),
        RoomAction::Set => {
            format!("{by} set that {}", op.setting.as_deref().map(one_line).unwrap_or_default())
        }
        RoomAction::Leave => format!("{by} left"),
        RoomAction::Close => format!("{by} said that the room is to be closed"),
        RoomAction::Unknown => format!("{by} did something that this version does not know"),
    }
}

//! Rooms: what is asked before something is done, and how members are shown.

use martlet_protocol::control::ErrorCode;
use serde_json::{Value, json};

use crate::fake::{Answer, Fake};
use crate::run::run;
use crate::verbs::ask;

/// A room that the user moderates, with these besides: what each is called, and what they are.
fn bridge(others: &[(&str, &str)]) -> Value {
    let member = |name: &str, role: &str, you: bool| {
        let who = json!({"id": format!("martlet1{}", "q".repeat(58)), "you": you, "name": name});
        json!({"who": who, "role": role, "creator": false, "devices": 0})
    };
    let others = others.iter().map(|(name, role)| member(name, role, false));
    let members: Vec<_> = [member("alice", "moderator", true)].into_iter().chain(others).collect();
    let settings =
        json!({"name": "bridge", "add_by": "moderators", "strict": false, "members_max": 64});
    json!({"id": "3f".repeat(32), "name": "bridge", "role": "moderator", "since": 0, "closed": false,
        "unread": 0, "settings": settings, "members": members, "operations": 3,
        "digest": "00".repeat(32)})
}

/// The exit status of `room leave`, and the requests.
fn leaves(others: &[(&str, &str)], args: &[&str]) -> (i32, Vec<String>) {
    let room = bridge(others);
    let fake = Fake::start(move |seen| match seen.method.as_str() {
        "GET" => Answer::Json(room.clone()),
        "POST" => Answer::Empty(204),
        _ => Answer::Problem(ErrorCode::BadRequest, "neither"),
    });
    let all: Vec<_> = ["room", "leave", "bridge"].iter().chain(args).copied().collect();
    let ran = run(fake.socket(), &all);
    (ran.code, fake.lines())
}

/// The last moderator left, and nobody could change the room, or put anyone out, ever after.
#[test]
fn the_last_moderator_is_asked_before_they_leave() {
    let (get, leave) = ("GET /v1/rooms/bridge", "POST /v1/rooms/bridge/leave");
    for others in [&[("bob", "member")][..], &[("bob", "invited"), ("carol", "removed")]] {
        let (code, lines) = leaves(others, &[]);
        assert_ne!(code, 0, "nobody is there to answer");
        assert_eq!(lines, [get]);
        assert_eq!(leaves(others, &["--yes"]), (0, vec![leave.to_owned()]));
    }
    let nobody_lacks_one = [&[][..], &[("bob", "moderator")], &[("bob", "left")]];
    for others in nobody_lacks_one {
        assert_eq!(leaves(others, &[]), (0, vec![get.to_owned(), leave.to_owned()]));
    }
}

/// They were shown as members whose keys are still to come.
#[test]
fn a_member_whose_identity_was_terminated_is_shown_as_that() {
    let mut room = bridge(&[("bob", "member"), ("carol", "member")]);
    room["members"][1]["terminated_at"] = json!(1_000);
    let (ran, _, _) = ask(&["room", "show", "bridge"], &room);
    let line =
        |name| ran.out.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    assert!(line("bob").ends_with("terminated"), "{}", ran.out);
    assert!(line("carol").ends_with("no keys yet"), "{}", ran.out);
}

/// The hint was refused by the verb that it named.
#[test]
fn who_only_looks_like_who_is_looked_for_is_to_be_added_by_their_id() {
    let id = format!("martlet1{}", "q".repeat(58));
    for (is_lookalike, hint) in [
        (false, "To add them: martletctl contact add @bobby".to_owned()),
        (true, format!("If that is whom you mean: martletctl contact add {id} --name NAME")),
    ] {
        let claimant = json!({"id": id, "handle": if is_lookalike { "b0bby" } else { "bobby" },
            "lookalike": is_lookalike, "claimed_at": 0});
        let found =
            json!({"handle": "bobby", "claimants": [claimant], "more": false, "complete": true});
        let (ran, _, _) = ask(&["handle", "find", "bobby"], &found);
        assert_eq!(ran.out.lines().last(), Some(hint.as_str()), "{}", ran.out);
    }
}

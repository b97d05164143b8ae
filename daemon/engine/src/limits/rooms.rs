//! The bounds of rooms.

use std::time::Duration;

/// Rooms of one vault, those left included: each has up to 8,192 operations of up to 2 KiB, which contacts may bring.
pub const ROOMS_MAX: usize = 256;
/// Of these, such as others brought the user into: the rest are for those that the user makes.
pub const ROOMS_BROUGHT_MAX: usize = 192;
/// The same of one contact, those included that were left or that the user was removed from: a third of what others may bring. A
/// ship of 60 people has eight rooms, and one person may make all of them.
pub const ROOMS_OF_CONTACT_MAX: usize = 64;
/// Others, that are none of the user's, or that the user forgot: what brings the user in may be in a later part. The oldest is
/// forgotten first.
pub const ROOMS_FOREIGN_MAX: usize = 16;
/// Rooms that the user forgot, of which it is kept that they did, so that who has not heard that they are out does not bring them back:
/// 100 KB. Someone who forgets two a week comes to that in ten years. The oldest is forgotten first.
pub const ROOMS_FORGOTTEN_MAX: usize = 1024;
/// How soon a device is told again what it lacks of a room, or asked for what is lacking here: up to 16 MiB. If nothing came to be
/// known here meanwhile, the next time twice as late, and so on.
pub const ROOM_ANSWER_INTERVAL: Duration = Duration::from_secs(10);
/// But no later than that: a device that lost what it was told gets it then.
pub const ROOM_ANSWER_INTERVAL_MAX: Duration = Duration::from_secs(3600);
/// Devices and rooms of which it is known how long ago that was: 400 KB. Past it the one is forgotten whose time is soonest over.
pub const ROOM_ANSWERS_MAX: usize = 4096;
/// Moderators' recalls in a room that wait for operations of it: 70 KB. Of more the oldest goes of who has most, so who makes them
/// up pushes out none but their own: two of each of the 256 people stay who may be in a room. A moderator may take back some
/// hundred messages of a flood right after they became one; the operations come with that, or a moment later.
pub const ROOM_RECALLS_WAITING_MAX: usize = 512;
/// Days without a bundle of this device after which it was away: what was sent in a room meanwhile may have ended in all mailboxes.
pub const ROOM_ABSENCE_DAYS: u32 = 6;
/// For so long what the user writes in a room waits for a member to say what became of it while this device was away. Those who are
/// on answer within seconds; if nobody is, nobody reads it sooner either.
pub const ROOM_STATE_AWAITED_FOR: Duration = Duration::from_secs(600);
/// Texts of a room that who comes is told, bytes in all: a day of a busy room. What is older is left out.
pub const ROOM_HISTORY_BYTES_MAX: usize = 256 * 1024;
/// Messages of a room that are looked through for that: files, and what came after the invitation, are among them.
pub const ROOM_HISTORY_LOOKED_AT_MAX: usize = 1000;
/// Unread messages of a conversation that are known to mention the user: more are counted as so many.
pub const MENTIONED_KEPT_MAX: usize = 99;
/// Own messages of a room that are remembered as having reached not everyone in it, times those whom they did not reach: a day's
/// messages to some people whose keys are not known yet. The oldest is forgotten first, and is sent nobody anew.
pub const ROOM_UNREACHED_MAX: usize = 1024;
/// Members of a room who are told once a day what is known of it: any of them has what most have.
pub const ROOM_GREETED: usize = 3;
/// The same of all rooms in one tick, with those who were brought in and not heard of: each takes 1.2 ms in a development build. In
/// [`ROOMS_MAX`] rooms with three others each, of whom nobody was heard, all 1,536 took 1.8 s at once
/// (`how_much_work_all_rooms_that_there_may_be_are` in the engine's tests). They take 96 s so.
pub const ROOMS_GREETED_PER_TICK_MAX: usize = 16;

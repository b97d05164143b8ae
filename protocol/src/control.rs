//! The control API's types: what travels, as JSON, over the daemon's Unix socket.
//!
//! | method and path | request | response |
//! | --- | --- | --- |
//! | `GET /v1/status` | | [`Status`] |
//! | `POST /v1/identity` | [`InitRequest`] | [`InitResponse`] |
//! | `GET /v1/identity` | | [`Identity`] |
//! | `POST /v1/identity/recover` | [`RecoverRequest`] | 201 [`Identity`] |
//! | `POST /v1/identity/reset` | | [`Identity`] |
//! | `GET /v1/profile` | | [`OwnProfile`] |
//! | `PATCH /v1/profile` | [`ProfileChange`] | [`OwnProfile`] |
//! | `DELETE /v1/profile` | | 204 |
//! | `GET /v1/profile/picture` | | JPEG |
//! | `POST /v1/profile/picture` | JPEG | [`OwnProfile`] |
//! | `POST /v1/unlock` | [`UnlockRequest`] | 204 |
//! | `POST /v1/lock` | | 204 |
//! | `POST /v1/passphrase` | [`PassphraseChange`] | 204 |
//! | `GET /v1/contacts` | | [`ContactList`] |
//! | `POST /v1/contacts` | [`ContactAdd`] | [`Contact`] |
//! | `GET /v1/contacts/{name}` | | [`Contact`] |
//! | `PATCH /v1/contacts/{name}` | [`ContactRename`] | [`Contact`] |
//! | `DELETE /v1/contacts/{name}` | | 204 |
//! | `POST /v1/contacts/{name}/note` | [`ContactNote`] | [`Contact`] |
//! | `POST /v1/contacts/{name}/verify` | [`VerifyRequest`] | [`Contact`] |
//! | `DELETE /v1/contacts/{name}/verify` | | 204 |
//! | `GET /v1/contacts/{name}/picture` | | JPEG |
//! | `POST /v1/contacts/{name}/ping` | [`PingRequest`] | [`PingResponse`] |
//! | `GET /v1/devices` | | [`DeviceList`] |
//! | `PATCH /v1/devices/{device}` | [`DeviceRename`] | [`Device`] |
//! | `POST /v1/devices/{device}/revoke` | [`DeviceRevoke`] | [`Device`] |
//! | `POST /v1/link` | | 201 [`Link`] |
//! | `GET /v1/link` | | [`Link`] |
//! | `DELETE /v1/link` | | 204 |
//! | `POST /v1/link/confirm` | [`LinkConfirm`] | [`Link`] |
//! | `POST /v1/join` | [`JoinRequest`] | 201 [`Join`] |
//! | `GET /v1/join` | | [`Join`] |
//! | `DELETE /v1/join` | | 204 |
//! | `POST /v1/account/phrase` | [`PhraseRequest`] | [`InitResponse`] |
//! | `POST /v1/account/lock-root` | [`LockRootRequest`] | 202 [`Shred`] |
//! | `POST /v1/account/terminate` | [`TerminateRequest`] | [`TerminateResponse`] |
//! | `GET /v1/blocked` | | [`BlockedList`] |
//! | `POST /v1/blocked` | [`BlockRequest`] | 201 [`Blocked`] |
//! | `DELETE /v1/blocked/{who}` | | 204 |
//! | `GET /v1/handle` | | [`OwnHandle`] |
//! | `POST /v1/handle` | [`HandleClaim`] | [`OwnHandle`] |
//! | `DELETE /v1/handle` | | 204 |
//! | `GET /v1/handles/{handle}` | | [`HandleFound`] |
//! | `GET /v1/invites` | | [`InviteList`] |
//! | `POST /v1/invites` | [`InviteRequest`] | 201 [`Invite`] |
//! | `GET /v1/invites/{number}` | | [`Invite`] |
//! | `DELETE /v1/invites/{number}` | | 204 |
//! | `POST /v1/invites/accept` | [`InviteAccept`] | 201 [`Contact`] |
//! | `GET /v1/rooms` | | [`RoomList`] |
//! | `POST /v1/rooms` | [`RoomCreate`] | 201 [`Room`] |
//! | `GET /v1/rooms/{room}` | | [`Room`] |
//! | `PATCH /v1/rooms/{room}` | [`RoomChange`] | [`Room`] |
//! | `DELETE /v1/rooms/{room}` | | 204 |
//! | `GET /v1/rooms/{room}/operations` | | [`RoomOperations`] |
//! | `POST /v1/rooms/{room}/members` | [`RoomMemberRequest`] | [`Room`] |
//! | `DELETE /v1/rooms/{room}/members/{who}` | [`RoomRemoveQuery`] | 204 |
//! | `POST /v1/rooms/{room}/moderators` | [`RoomMemberRequest`] | [`Room`] |
//! | `DELETE /v1/rooms/{room}/moderators/{who}` | | 204 |
//! | `POST /v1/rooms/{room}/leave` | | 204 |
//! | `POST /v1/rooms/{room}/close` | | [`Room`] |
//! | `GET /v1/requests` | | [`RequestList`] |
//! | `POST /v1/requests/{id}/accept` | [`RequestAccept`] | [`Contact`] |
//! | `DELETE /v1/requests/{id}` | | 204 |
//! | `POST /v1/messages` | [`SendRequest`] | [`SendResponse`] |
//! | `GET /v1/messages/{id}` | | [`Message`] |
//! | `PATCH /v1/messages/{id}` | [`EditRequest`] | [`Message`] |
//! | `POST /v1/messages/{id}/reaction` | [`ReactionRequest`] | [`Message`] |
//! | `DELETE /v1/messages/{id}/reaction` | | 204 |
//! | `POST /v1/files` | [`FileSend`], and the file | 201 [`SendResponse`] |
//! | `GET /v1/files` | [`FilesQuery`] | [`FileList`] |
//! | `GET /v1/files/{id}` | | the file |
//! | `GET /v1/files/{id}/thumbnail` | | the JPEG or WebP |
//! | `DELETE /v1/files/{id}` | | 204 |
//! | `POST /v1/files/{id}/accept` | | [`Message`] |
//! | `POST /v1/files/{id}/refuse` | | [`Message`] |
//! | `GET /v1/conversations` | | [`ConversationList`] |
//! | `PATCH /v1/conversations/{name}` | [`ConversationChange`] | [`ConversationSettings`] |
//! | `GET /v1/conversations/{name}/draft` | | [`Draft`] |
//! | `POST /v1/conversations/{name}/draft` | [`DraftRequest`] | [`Draft`] |
//! | `DELETE /v1/conversations/{name}/draft` | | 204 |
//! | `POST /v1/conversations/{name}/typing` | | 204 |
//! | `GET /v1/settings` | | [`Settings`] |
//! | `PATCH /v1/settings` | [`SettingsChange`] | [`Settings`] |
//! | `DELETE /v1/messages/{id}` | | 204 |
//! | `POST /v1/messages/{id}/recall` | | [`SendResponse`] |
//! | `GET /v1/conversations/{name}/messages` | [`HistoryQuery`] | [`History`] |
//! | `DELETE /v1/conversations/{name}/messages` | | 204 |
//! | `GET /v1/conversations/{name}/timers` | | [`ConversationTimers`] |
//! | `PATCH /v1/conversations/{name}/timers` | [`TimersRequest`] | [`ConversationTimers`] |
//! | `POST /v1/conversations/{name}/read` | | [`ReadResponse`] |
//! | `GET /v1/notes` | [`HistoryQuery`] | [`History`] |
//! | `POST /v1/notes` | [`NoteRequest`] | [`SendResponse`] |
//! | `GET /v1/search` | [`SearchQuery`] | [`SearchResults`] |
//! | `GET /v1/inbox` | | [`Inbox`] |
//! | `GET /v1/events` | [`EventsQuery`] or `Last-Event-ID` | Server-Sent Events of [`Event`] |
//! | `GET /v1/peers` | | [`PeerList`] |
//! | `POST /v1/peers` | [`DialRequest`] | 202, or [`Dialled`] if it waits |
//! | `GET /v1/peers/events` | | Server-Sent Events of [`PeerEvent`] |
//! | `GET /v1/metrics` | | Prometheus' text format |
//! | `GET /v1/network` | | [`Network`] |
//! | `POST /v1/network/export` | | [`NetworkExport`] |
//! | `GET /v1/bans` | | [`BanList`] |
//! | `POST /v1/bans` | [`BanRequest`] | 201 [`Ban`] |
//! | `DELETE /v1/bans/{peer_id}` | | 204 |
//! | `GET /v1/account/export` | | JSON Lines of [`ExportLine`] |
//! | `POST /v1/account/erase` | [`EraseRequest`] | [`Erased`] |
//! | `POST /v1/backup` | [`BackupRequest`] | [`Backup`] |
//! | `GET /v1/shred` | | [`Shred`] |
//! | `POST /v1/shred` | | [`Shred`] |
//! | `GET /v1/privacy` | | [`PrivacyReport`] |
//! | `GET /v1/doctor` | | [`Diagnosis`] |
//! | `GET /v1/openapi.json` | | OpenAPI 3.1 |
//!
//! Errors are [`Problem`] (RFC 9457, `application/problem+json`) with a stable [`ErrorCode`].

mod account;
mod backup;
mod blocked;
mod contact;
mod conversation;
mod device;
mod doctor;
mod event;
mod file;
mod handle;
mod invite;
mod link;
mod message;
mod network;
mod peer;
mod ping;
mod privacy;
mod problem;
mod profile;
mod room;
mod schema;
mod search;
mod shred;
mod status;
mod timers;

// What is public in these is public here: a new type has its place in its own file only.
pub use account::*;
pub use backup::*;
pub use blocked::*;
pub use contact::*;
pub use conversation::*;
pub use device::*;
pub use doctor::*;
pub use event::*;
pub use file::*;
pub use handle::*;
pub use invite::*;
pub use link::*;
pub use message::*;
pub use network::*;
pub use peer::*;
pub use ping::*;
pub use privacy::*;
pub use problem::*;
pub use profile::*;
pub use room::*;
pub use schema::*;
pub use search::*;
pub use shred::*;
pub use status::*;
pub use timers::*;

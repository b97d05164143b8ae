//! The control API's types: what travels, as JSON, over the daemon's Unix socket.
//!
//! | method and path | request | response |
//! | --- | --- | --- |
//! | `GET /v1/status` | | [`Status`] |
//! | `POST /v1/identity` | [`InitRequest`] | [`InitResponse`] |
//! | `GET /v1/identity` | | [`Identity`] |
//! | `POST /v1/identity/reset` | | [`Identity`] |
//! | `POST /v1/unlock` | [`UnlockRequest`] | 204 |
//! | `POST /v1/lock` | | 204 |
//! | `GET /v1/contacts` | | [`ContactList`] |
//! | `POST /v1/contacts` | [`ContactAdd`] | [`Contact`] |
//! | `GET /v1/contacts/{name}` | | [`Contact`] |
//! | `PATCH /v1/contacts/{name}` | [`ContactRename`] | [`Contact`] |
//! | `DELETE /v1/contacts/{name}` | | 204 |
//! | `POST /v1/contacts/{name}/ping` | [`PingRequest`] | [`PingResponse`] |
//! | `GET /v1/requests` | | [`RequestList`] |
//! | `POST /v1/requests/{id}/accept` | [`RequestAccept`] | [`Contact`] |
//! | `DELETE /v1/requests/{id}` | | 204 |
//! | `POST /v1/messages` | [`SendRequest`] | [`SendResponse`] |
//! | `GET /v1/messages/{id}` | | [`Message`] |
//! | `GET /v1/conversations/{name}/messages` | [`HistoryQuery`] | [`History`] |
//! | `POST /v1/conversations/{name}/read` | | [`ReadResponse`] |
//! | `GET /v1/notes` | [`HistoryQuery`] | [`History`] |
//! | `POST /v1/notes` | [`NoteRequest`] | [`SendResponse`] |
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
//! | `POST /v1/backup` | [`BackupRequest`] | [`Backup`] |
//! | `GET /v1/doctor` | | [`Diagnosis`] |
//! | `GET /v1/openapi.json` | | OpenAPI 3.1 |
//!
//! Errors are [`Problem`] (RFC 9457, `application/problem+json`) with a stable [`ErrorCode`].

mod backup;
mod contact;
mod doctor;
mod event;
mod message;
mod network;
mod peer;
mod ping;
mod problem;
mod schema;
mod status;

// What is public in these is public here: a new type has its place in its own file only.
pub use backup::*;
pub use contact::*;
pub use doctor::*;
pub use event::*;
pub use message::*;
pub use network::*;
pub use peer::*;
pub use ping::*;
pub use problem::*;
pub use schema::*;
pub use status::*;

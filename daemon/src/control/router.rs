//! The endpoints of all subjects, and their description.

use axum::Router;
use axum::http::{Method, Uri};
use axum::response::{IntoResponse, Response};
use martlet_protocol::control::{ErrorCode, Event};
use utoipa::OpenApi;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::Operation;

use super::endpoints::endpoints;
use super::extract::AnyBody;
use super::problem::Refusal;
use super::{
    Shared, account, activity, backup, blocked, contact, conversation, device, doctor, ends, event,
    file, handle, invite, link, message, metrics, network, note, peer, ping, privacy, profile,
    room, search, shred, status, trust,
};

/// What a subject answers, and how that is described.
type Subject = (fn() -> Router<Shared>, fn() -> utoipa::openapi::OpenApi);

/// All subjects. Each file says which paths it answers.
const SUBJECTS: &[Subject] = &[
    (status::routes, status::Endpoints::openapi),
    (account::routes, account::Endpoints::openapi),
    (backup::routes, backup::Endpoints::openapi),
    (shred::routes, shred::Endpoints::openapi),
    (contact::routes, contact::Endpoints::openapi),
    (trust::routes, trust::Endpoints::openapi),
    (device::routes, device::Endpoints::openapi),
    (link::routes, link::Endpoints::openapi),
    (handle::routes, handle::Endpoints::openapi),
    (invite::routes, invite::Endpoints::openapi),
    (blocked::routes, blocked::Endpoints::openapi),
    (ping::routes, ping::Endpoints::openapi),
    (room::routes, room::Endpoints::openapi),
    (message::routes, message::Endpoints::openapi),
    (conversation::routes, conversation::Endpoints::openapi),
    (ends::routes, ends::Endpoints::openapi),
    (file::routes, file::Endpoints::openapi),
    (note::routes, note::Endpoints::openapi),
    (search::routes, search::Endpoints::openapi),
    (event::routes, event::Endpoints::openapi),
    (peer::routes, peer::Endpoints::openapi),
    (metrics::routes, metrics::Endpoints::openapi),
    (network::routes, network::Endpoints::openapi),
    (profile::routes, profile::Endpoints::openapi),
    (privacy::routes, privacy::Endpoints::openapi),
    (doctor::routes, doctor::Endpoints::openapi),
    (routes, Endpoints::openapi),
];

pub(super) fn router(shared: Shared) -> Router {
    SUBJECTS
        .iter()
        .fold(Router::new(), |router, (routes, _)| router.merge(routes()))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(shared.clone(), activity::note))
        .with_state(shared)
}

/// The description of the API, generated from the handlers and types.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let subjects = SUBJECTS.iter().map(|(_, described)| described());
    let mut api = subjects.fold(Description::openapi(), utoipa::openapi::OpenApi::merge_from);
    for item in api.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete];
        operations.into_iter().flatten().for_each(describe_responses);
    }
    api
}

/// Says of each response what it is, where its handler doesn't: what was asked for, or a problem.
fn describe_responses(operation: &mut Operation) {
    let summary = operation.summary.clone().unwrap_or_default();
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if response.description.is_empty() {
            response.description = match status.as_str() {
                "default" => "What is wrong, and what to do.".to_owned(),
                _ => summary.clone(),
            };
        }
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Martlet control API",
        description = "What programs of the same user may ask of martletd, as JSON over its Unix socket. Errors are `application/problem+json` with a stable `code`.",
    ),
    components(schemas(Event))
)]
struct Description;

endpoints!(get_openapi);

/// This description.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "daemon", responses(
    (status = 200, description = "OpenAPI 3.1", content_type = "application/json"),
))]
async fn get_openapi() -> Response {
    axum::Json(openapi()).into_response()
}

async fn not_found(uri: Uri, _: AnyBody) -> Refusal {
    let path = uri.path();
    let detail = if path.ends_with('/') || path.contains("//") {
        format!("there is no {path}: a name or an id in it is empty")
    } else {
        format!("there is no {path}; see GET /v1/openapi.json")
    };
    Refusal::new(ErrorCode::NotFound, detail)
}

async fn method_not_allowed(method: Method, uri: Uri, _: AnyBody) -> Refusal {
    let detail = format!("{method} is not for {}; see GET /v1/openapi.json", uri.path());
    Refusal::new(ErrorCode::MethodNotAllowed, detail)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use martlet_protocol::limits::{BAN_SECONDS_MAX, HISTORY_PAGE_MAX, PING_TIMEOUT_MAX};

    use super::*;

    /// `METHOD /path` of every row of the table in the protocol's documentation.
    fn documented() -> BTreeSet<String> {
        include_str!("../../../protocol/src/control.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `"))
            .filter_map(|row| row.split('`').next())
            .map(str::to_owned)
            .collect()
    }

    fn described() -> BTreeSet<String> {
        let json = serde_json::to_value(openapi()).expect("JSON");
        let paths = json["paths"].as_object().expect("paths").clone();
        paths
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().expect("item").keys();
                methods
                    .map(|method| format!("{} {path}", method.to_uppercase()))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn the_description_has_every_documented_endpoint_and_no_other() {
        assert!(documented().len() > 20);
        assert_eq!(described(), documented());
    }

    #[test]
    fn queries_are_described_as_queries() {
        let json = serde_json::to_value(openapi()).expect("JSON");
        let parameters = &json["paths"]["/v1/conversations/{name}/messages"]["get"]["parameters"];
        let places: Vec<_> = parameters
            .as_array()
            .expect("parameters")
            .iter()
            .map(|parameter| (parameter["name"].as_str(), parameter["in"].as_str()))
            .collect();
        assert_eq!(
            places,
            [
                (Some("name"), Some("path")),
                (Some("limit"), Some("query")),
                (Some("before"), Some("query")),
                (Some("around"), Some("query")),
                (Some("edits"), Some("query"))
            ]
        );
    }
    /// 54 responses had no description, which OpenAPI 3.1 asks for.
    #[test]
    fn every_response_is_described() {
        let json = serde_json::to_value(openapi()).expect("JSON");
        let paths = json["paths"].as_object().expect("paths");
        let mut count = 0;
        for (path, item) in paths {
            for (method, operation) in item.as_object().expect("item") {
                for (status, response) in operation["responses"].as_object().expect("responses") {
                    let described = response["description"].as_str().unwrap_or_default();
                    assert!(!described.is_empty(), "{method} {path} {status}");
                    count += 1;
                }
            }
        }
        assert!(count > 60, "{count}");
    }

    /// What is of these types, texts or lists, in a schema and in those that it refers to, of which nothing says how long it may be.
    fn unbounded(
        api: &serde_json::Value,
        schema: &serde_json::Value,
        place: &str,
        types: &[&str],
        found: &mut BTreeSet<String>,
    ) {
        if let Some(name) = schema["$ref"].as_str() {
            let pointer = name.trim_start_matches('#');
            let referred = api.pointer(pointer).expect("what is referred to");
            return unbounded(api, referred, name, types, found);
        }
        let is_of = |kind: &str| match &schema["type"] {
            serde_json::Value::Array(kinds) => kinds.iter().any(|it| it == kind),
            one => one == kind,
        };
        let has = |bound: &str| schema.get(bound).is_some();
        let is_one = |kind| types.contains(&kind) && is_of(kind);
        if is_one("string") && !has("maxLength") && !has("enum") && !has("const")
            || is_one("array") && !has("maxItems")
        {
            found.insert(place.to_owned());
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            unbounded(api, property, &format!("{place}.{name}"), types, found);
        }
        let parts = ["oneOf", "anyOf", "allOf"].map(|it| schema[it].as_array());
        for part in parts.into_iter().flatten().flatten().chain(schema.get("items")) {
            unbounded(api, part, place, types, found);
        }
    }

    /// Clients could not tell from the description how long a name, an address or a file's name may be.
    #[test]
    fn all_that_may_be_asked_has_a_bound() {
        let api = serde_json::to_value(openapi()).expect("JSON");
        let (mut found, mut looked_at) = (BTreeSet::new(), 0);
        for (path, item) in api["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("item") {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let parameters = parameters
                    .map(|parameter| (parameter["name"].to_string(), &parameter["schema"]));
                let contents = operation["requestBody"]["content"].as_object();
                let bodies = contents
                    .into_iter()
                    .flatten()
                    .map(|(kind, content)| (kind.clone(), &content["schema"]));
                for (name, schema) in parameters.chain(bodies) {
                    looked_at += 1;
                    let place = format!("{method} {path} {name}");
                    unbounded(&api, schema, &place, &["string", "array"], &mut found);
                }
            }
        }
        assert!(looked_at > 100, "{looked_at}");
        assert!(found.is_empty(), "{found:#?}");
    }

    /// Answers' texts that have no bound: words for people, and what others or the user's configuration say.
    const UNBOUNDED: [&str; 27] = [
        "Backup.directory",
        "Backup.files",
        "Dialled.reason",
        "Erased.copies",
        "ExportLine.bytes",
        "ExportLine.program",
        "FailedDial.address",
        "FailedDial.reason",
        "Finding.advice",
        "Finding.problem",
        "Join.failure",
        "Network.bootstrap",
        "Network.file",
        "NetworkExport.descriptor",
        "Peer.address",
        "PeerDetails.agent",
        "PeerDetails.protocols",
        "PeerEventBody.address",
        "PrivacyStatement.code",
        "PrivacyStatement.text",
        "Problem.detail",
        "RoomOperation.setting",
        "Status.external",
        "Status.listen",
        "Status.metrics_listen",
        "Status.version",
        "Status.warnings",
    ];

    /// Nor how long an id, a name or a text in an answer may be.
    #[test]
    fn the_texts_of_answers_have_bounds_where_the_code_has_them() {
        let api = serde_json::to_value(openapi()).expect("JSON");
        let (mut found, mut looked_at) = (BTreeSet::new(), 0);
        for (path, item) in api["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("item") {
                for (status, response) in operation["responses"].as_object().expect("responses") {
                    for (kind, content) in response["content"].as_object().into_iter().flatten() {
                        looked_at += 1;
                        let place = format!("{method} {path} {status} {kind}");
                        unbounded(&api, &content["schema"], &place, &["string"], &mut found);
                    }
                }
            }
        }
        assert!(looked_at > 100, "{looked_at}");
        let found: Vec<_> =
            found.iter().map(|place| place.trim_start_matches("#/components/schemas/")).collect();
        assert_eq!(found, UNBOUNDED);
    }

    /// What the attributes repeat, as they take nothing but numbers.
    #[test]
    fn the_bounds_described_are_those_of_the_code() {
        let json = serde_json::to_value(openapi()).expect("JSON");
        let schemas = &json["components"]["schemas"];
        let bounds =
            |schema: &serde_json::Value| (schema["minimum"].as_u64(), schema["maximum"].as_u64());
        let ping = bounds(&schemas["PingRequest"]["properties"]["timeout_ms"]);
        let ping_max = u64::try_from(PING_TIMEOUT_MAX.as_millis()).expect("a minute");
        assert_eq!(ping, (Some(1), Some(ping_max)));
        let ban = bounds(&schemas["BanRequest"]["properties"]["seconds"]);
        assert_eq!(ban, (Some(1), Some(BAN_SECONDS_MAX)));
        let parameters = &json["paths"]["/v1/notes"]["get"]["parameters"];
        let limit = bounds(&parameters[0]["schema"]);
        assert_eq!(limit, (Some(1), Some(u64::from(HISTORY_PAGE_MAX))));
        for request in [
            "InitRequest",
            "UnlockRequest",
            "PassphraseChange",
            "BlockRequest",
            "ContactAdd",
            "ContactRename",
            "RequestAccept",
        ]
        .into_iter()
        .chain(["SendRequest", "NoteRequest", "PingRequest", "BanRequest", "DialRequest"])
        .chain(["EditRequest", "ReactionRequest", "DraftRequest", "ContactNote"])
        .chain(["ConversationChange", "SettingsChange"])
        {
            assert_eq!(schemas[request]["additionalProperties"], false, "{request}");
        }
    }
}

//! A subject's endpoints, from its handlers.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodRouter, on};
use utoipa_axum::PathItemExt as _;

use super::Shared;

/// Declares what a subject's handlers make together: `routes()`, which answers, and `Endpoints`, which
/// describes. Each handler says by itself which method and path it is for.
///
/// `utoipa_axum::routes!` makes both in one. But the description is of a MiB, and each start would make it
/// only to drop it.
macro_rules! endpoints {
    ($($handler:ident),+ $(,)?) => {
        /// Who answers which path.
        pub(super) fn routes() -> axum::Router<$crate::control::Shared> {
            let router = axum::Router::new();
            utoipa_axum::paste! {
                $(let router = $crate::control::endpoints::add::<[<__path_ $handler>], _, _>(router, $handler);)+
            }
            router
        }

        /// The description of these.
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($handler),+))]
        pub(super) struct Endpoints;
    };
}
pub(super) use endpoints;

/// Adds the handler that is described by `P`.
pub(super) fn add<P: utoipa::Path, H: Handler<T, Shared>, T: 'static>(
    router: Router<Shared>,
    handler: H,
) -> Router<Shared> {
    let methods = P::methods().into_iter().fold(MethodRouter::new(), |methods, method| {
        methods.merge(on(method.to_method_filter(), handler.clone()))
    });
    router.route(&P::path(), methods)
}

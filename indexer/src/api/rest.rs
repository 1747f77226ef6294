//! REST under `/v1`: the rows of GraphQL as plain resources, described by OpenAPI. Every answer names the block that it is
//! about. It writes nothing and asks nobody who they are.

mod access;
mod accounts;
mod answer;
mod collections;
mod models;
mod money;
mod params;
mod problem;
mod requests;
mod training;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
pub(crate) use params::{Named, Params};
pub(crate) use problem::{Problem, Problems};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Offsetdata indexer",
        description = "What the chain says of collections, rights to them, payments and training requests. Lists come in pages: \
                       give `next` of an answer as `after` to go on. `block` of an answer is the block up to which \
                       everything is in; `ETag` changes whenever the answer does.",
        version = "1",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem)),
    tags(
        (name = "collections", description = "Published sets of records"),
        (name = "access", description = "Offers and rights"),
        (name = "money", description = "Vouchers and payments"),
        (name = "accounts", description = "What concerns one account"),
        (name = "requests", description = "Training requests"),
        (name = "events", description = "Server-sent events"),
        (name = "models", description = "Bases, projects, models and their versions"),
        (name = "chain", description = "How far the index is")
    )
)]
struct Description;

fn parts() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(answer::get_block))
        .routes(routes!(collections::list_collections))
        .routes(routes!(collections::get_collection))
        .routes(routes!(collections::get_usage))
        .routes(routes!(collections::list_flags))
        .routes(routes!(access::list_offers))
        .routes(routes!(access::list_access))
        .routes(routes!(access::list_access_events))
        .routes(routes!(money::list_vouchers))
        .routes(routes!(money::list_payments))
        .routes(routes!(accounts::get_statement))
        .routes(routes!(accounts::list_spenders))
        .routes(routes!(accounts::list_deposits))
        .routes(routes!(accounts::list_deposit_states))
        .routes(routes!(accounts::list_credits))
        .routes(routes!(accounts::list_withdrawals))
        .routes(routes!(requests::list_requests))
        .routes(routes!(requests::get_request))
        .routes(routes!(training::get_course))
        .routes(routes!(training::list_commitments))
        .routes(routes!(training::list_data_payments))
        .routes(routes!(training::list_unit_collections))
        .routes(routes!(training::list_points))
        .routes(routes!(models::list_bases))
        .routes(routes!(models::list_projects))
        .routes(routes!(models::list_models))
        .routes(routes!(models::get_model))
        .routes(routes!(models::list_versions))
        .routes(routes!(super::events::request_events))
        .routes(routes!(super::events::events))
}

/// The routes, and the description of them at `/v1/openapi.json`.
pub(super) fn routes() -> Router<Api> {
    let (router, description) = parts().split_for_parts();
    let text = text(&description);
    let served = move || {
        let text = text.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], text).into_response() }
    };
    router.route("/v1/openapi.json", get(served))
}

/// The description as a file.
pub fn openapi() -> String {
    text(parts().get_openapi())
}

fn text(description: &utoipa::openapi::OpenApi) -> String {
    // It is made of strings and maps with text keys, which JSON can always hold.
    description.to_pretty_json().unwrap_or_default() + "\n"
}

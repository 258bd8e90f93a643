//! The description of the API (OpenAPI 3.1), out of the handlers' own annotations.

use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi};

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// A handler that answers to several methods is described once, and so has one id; generated clients need one for
/// each. The first method keeps it.
struct UniqueIds;

impl Modify for UniqueIds {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            let shared = item.post.as_ref().and_then(|operation| operation.operation_id.clone());
            for (operation, suffix) in [(&mut item.put, "ByPut"), (&mut item.patch, "ByPatch")] {
                if let Some(operation) = operation.as_mut().filter(|operation| operation.operation_id == shared) {
                    operation.operation_id = shared.as_ref().map(|id| format!("{id}{suffix}"));
                }
            }
        }
    }
}

/// What any operation of a surface may answer, and the headers that go with what one says it answers.
struct Conventions;

fn error(description: &str) -> RefOr<Response> {
    let schema = RefOr::Ref(Ref::from_schema_name("ErrorBody"));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content("application/json", content).build().into()
}

fn header_parameter(name: &str, description: &str) -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

/// A body that may be left out is not one that may be `null`, as the annotation has it.
fn without_null(body: &mut RequestBody) {
    for content in body.content.values_mut() {
        let RefOr::T(content) = content else { continue };
        if let Some(RefOr::T(Schema::OneOf(parts))) = &content.schema {
            let object = parts.items.iter().find(|part| matches!(part, RefOr::Ref(_))).cloned();
            content.schema = object.or_else(|| content.schema.clone());
        }
    }
}

fn apply_conventions(operation: &mut Operation) {
    let is_operators = operation.tags.as_ref().is_some_and(|tags| tags.iter().any(|tag| tag == "operations"));
    let mut headers = Vec::new();
    let responses = &mut operation.responses.responses;
    if !is_operators {
        for (status, description) in
            [("429", "Too many requests; see `Retry-After`"), ("503", "Out of reach; see `Retry-After`")]
        {
            responses.entry(status.to_owned()).or_insert_with(|| error(description));
        }
        if operation.request_body.is_some() {
            responses.entry("408".to_owned()).or_insert_with(|| error("The body did not come in time"));
        }
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        without_null(body);
    }
    if responses.contains_key("304") {
        headers.push(header_parameter("If-None-Match", "A tag seen before: 304 where it is still the current one"));
    }
    if responses.contains_key("412") {
        headers.push(header_parameter("If-Match", "A tag seen before: 412 where it is no longer the current one"));
    }
    if !headers.is_empty() {
        operation.parameters.get_or_insert_default().extend(headers.into_iter().map(RefOr::T));
    }
}

impl Modify for Conventions {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            operations.into_iter().flatten().for_each(apply_conventions);
        }
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Frontdesk",
        description = "The account backend of a web or mobile app: profiles in three dialects over one model.",
        license(name = "MIT OR Apache-2.0"),
    ),
    paths(
        crate::routes::operations::root,
        crate::routes::operations::health,
        crate::routes::operations::ready,
        crate::routes::operations::metrics,
        crate::routes::operations::openapi,
        crate::routes::operations::asyncapi,
        crate::routes::users::register,
        crate::routes::users::show,
        crate::routes::users::update,
        crate::routes::users::set_password,
        crate::routes::avatars::upload,
        crate::routes::avatars::clear,
        crate::routes::avatars::put,
        crate::routes::avatars::post,
        crate::routes::avatars::file,
        crate::routes::avatars::alias,
        crate::routes::mobile::show,
        crate::routes::mobile::update,
        crate::routes::mobile::rename,
        crate::routes::auth::login,
        crate::routes::auth::refresh,
        crate::routes::auth::logout,
        crate::routes::auth::jwks,
        crate::routes::sessions::list,
        crate::routes::sessions::end,
        crate::routes::account::delete,
        crate::routes::export::export,
        crate::routes::v1_profile::show,
        crate::routes::v1_profile::update,
        crate::routes::v1_profile::public,
        crate::routes::settings::show,
        crate::routes::settings::update,
        crate::routes::realtime::ticket,
        crate::ws::upgrade::connect,
    ),
    tags(
        (name = "v1", description = "Web clients and services."),
        (name = "users", description = "The existing web client and its scripts."),
        (name = "mobile", description = "The iOS app."),
        (name = "rooms", description = "Who is where, and what changes, over WebSocket: see `/asyncapi.json`."),
        (name = "operations", description = "Operators and tools."),
    ),
    modifiers(&Bearer, &UniqueIds, &Conventions),
)]
struct Document;

/// The document as pretty JSON.
pub fn openapi_json() -> String {
    // The document is made of strings and maps: it cannot fail to serialise.
    Document::openapi().to_pretty_json().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn every_route_is_described_and_every_description_has_a_route() {
        let document: Value = serde_json::from_str(&openapi_json()).unwrap();
        let described: BTreeSet<_> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, operations)| {
                operations.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone()))
            })
            .collect();
        let routed: BTreeSet<_> = crate::routes::described()
            .into_iter()
            .map(|(method, path)| (method.to_string(), path.to_owned()))
            .collect();
        assert_eq!(described, routed);
    }

    #[test]
    fn the_document_that_is_kept_is_the_one_that_is_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/openapi.json");
        let document = openapi_json() + "\n";
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, document).unwrap();
        } else {
            let kept = std::fs::read_to_string(path).unwrap_or_default();
            assert!(kept == document, "docs/openapi.json is stale: run the test with UPDATE_DOCS=1");
        }
    }

    #[test]
    fn operations_have_ids_of_their_own() {
        let document: Value = serde_json::from_str(&openapi_json()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let paths = document["paths"].as_object().unwrap().values();
        let ids: Vec<_> = paths
            .flat_map(|operations| operations.as_object().unwrap().values())
            .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
            .collect();
        let unique: BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len());
    }
}

//! The API document of a service, made from its routes table and what the handlers' types say.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};

use http::Method;
use utoipa::PartialSchema;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterIn};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr,
    Required, Response, ResponseBuilder,
};

use super::build::RouteError;
use super::describe::{Description, string};
use super::table::{Access, RouteInfo};
use crate::problem::ProblemBody;

const BEARER: &str = "bearer";

/// Internal routes are left out: the document is for those who call through the gateway.
pub(super) fn document(
    service: &'static str,
    table: &[RouteInfo],
    descriptions: Vec<Description>,
) -> Result<OpenApi, RouteError> {
    let mut schemas = BTreeMap::from([("Problem".to_owned(), ProblemBody::schema())]);
    let mut components = ComponentsBuilder::new().security_scheme(
        BEARER,
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
    );
    let mut paths = Paths::new();
    let taken: HashSet<_> = table
        .iter()
        .filter_map(|r| Some((r.path.as_str(), r.method.clone()?)))
        .collect();
    for (info, mut description) in table.iter().zip(descriptions) {
        if info.access == Access::Internal {
            continue;
        }
        for (name, schema) in std::mem::take(&mut description.schemas) {
            match schemas.entry(name) {
                Entry::Vacant(free) => {
                    free.insert(schema);
                }
                Entry::Occupied(taken) if *taken.get() == schema => {}
                Entry::Occupied(taken) => return Err(RouteError::Schema(taken.key().clone())),
            }
        }
        let methods = match &info.method {
            Some(method) => vec![method.clone()],
            None => [Method::GET, Method::POST]
                .into_iter()
                .filter(|m| !taken.contains(&(info.path.as_str(), m.clone())))
                .collect(),
        };
        for method in methods {
            if let Some(known) = known(&method) {
                let operation = operation(service, &method, info, &description);
                paths.add_path_operation(&info.path, vec![known], operation);
            }
        }
    }
    for (name, schema) in schemas {
        components = components.schema(name, schema);
    }
    let document = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title(service)
                .version(crate::VERSION)
                .build(),
        )
        .paths(paths)
        .components(Some(components.build()))
        .build();
    Ok(document)
}

fn operation(
    service: &str,
    method: &Method,
    info: &RouteInfo,
    description: &Description,
) -> Operation {
    let mut operation = OperationBuilder::new()
        .tag(service)
        .operation_id(Some(operation_id(service, method, &info.path)))
        .summary((!info.summary.is_empty()).then_some(info.summary.as_str()))
        .response("default", problem());
    for name in variables(&info.path) {
        operation = operation.parameter(
            Parameter::builder()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(string()))
                .build(),
        );
    }
    for parameter in &description.parameters {
        operation = operation.parameter(parameter.clone());
    }
    if *method != Method::GET {
        operation = operation.request_body(description.body.clone());
    }
    for (status, answer) in &description.answers {
        operation = operation.response(status, answer.clone());
    }
    match info.access {
        Access::Public | Access::Internal => {}
        Access::Optional => {
            operation = operation
                .security(SecurityRequirement::default())
                .security(bearer());
        }
        Access::Authenticated => operation = operation.security(bearer()),
    }
    operation.build()
}

fn bearer() -> SecurityRequirement {
    SecurityRequirement::new::<_, [&str; 0], &str>(BEARER, [])
}

fn problem() -> Response {
    let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
    ResponseBuilder::new()
        .description("what went wrong")
        .content(
            "application/problem+json",
            ContentBuilder::new().schema(Some(schema)).build(),
        )
        .build()
}

fn operation_id(service: &str, method: &Method, path: &str) -> String {
    let words = path
        .split(['/', '{', '}', '*', '-', '.'])
        .filter(|w| !w.is_empty() && *w != "api");
    let mut id = format!("{service}_{}", method.as_str().to_ascii_lowercase());
    for word in words {
        id.push('_');
        id.push_str(word);
    }
    id
}

fn variables(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|s| {
        Some(
            s.strip_prefix('{')?
                .strip_suffix('}')?
                .trim_start_matches('*'),
        )
    })
}

fn known(method: &Method) -> Option<HttpMethod> {
    Some(match *method {
        Method::GET => HttpMethod::Get,
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::DELETE => HttpMethod::Delete,
        Method::PATCH => HttpMethod::Patch,
        Method::HEAD => HttpMethod::Head,
        Method::OPTIONS => HttpMethod::Options,
        Method::TRACE => HttpMethod::Trace,
        _ => return None,
    })
}

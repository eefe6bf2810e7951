//! What is gathered for the API document while a route is registered.

use http::StatusCode;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder};
use utoipa::{IntoParams, ToSchema};

/// The description of one operation; arguments and answers add to it.
#[derive(Default)]
pub struct Description {
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<RequestBody>,
    pub(super) answers: Vec<(String, Response)>,
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

impl Description {
    /// It takes a JSON body.
    pub fn json_body<T: ToSchema>(&mut self) {
        let schema = reference::<T>(&mut self.schemas);
        self.body = Some(
            RequestBody::builder()
                .required(Some(Required::True))
                .content(
                    "application/json",
                    ContentBuilder::new().schema(Some(schema)).build(),
                )
                .build(),
        );
    }

    /// It takes a body of any kind, unless something else says more.
    pub fn raw_body(&mut self) {
        if self.body.is_none() {
            self.body = Some(
                RequestBody::builder()
                    .content("application/octet-stream", ContentBuilder::new().build())
                    .build(),
            );
        }
    }

    /// It takes these parameters in the query.
    pub fn query<T: IntoParams>(&mut self) {
        self.parameters
            .extend(T::into_params(|| Some(ParameterIn::Query)));
    }

    /// It takes this header, a string.
    pub fn header(&mut self, name: &str, required: bool, summary: &str) {
        let parameter = Parameter::builder()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(if required {
                Required::True
            } else {
                Required::False
            })
            .description(Some(summary))
            .schema(Some(string()));
        self.parameters.push(parameter.build());
    }

    /// It answers `status` with a JSON body.
    pub fn json_answer<T: ToSchema>(&mut self, status: StatusCode) {
        let schema = reference::<T>(&mut self.schemas);
        let response = ResponseBuilder::new()
            .description(status.canonical_reason().unwrap_or_default())
            .content(
                "application/json",
                ContentBuilder::new().schema(Some(schema)).build(),
            );
        self.answers
            .push((status.as_u16().to_string(), response.build()));
    }

    /// It answers `status` with a body of this media type, or with one that is not described.
    pub fn answer(&mut self, status: StatusCode, media_type: Option<&str>) {
        let mut response =
            ResponseBuilder::new().description(status.canonical_reason().unwrap_or_default());
        if let Some(media_type) = media_type {
            response = response.content(media_type, ContentBuilder::new().build());
        }
        self.answers
            .push((status.as_u16().to_string(), response.build()));
    }
}

/// A reference to the schema of `T`, which joins `schemas`; what has no name of its own stands in place.
pub(crate) fn reference<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema> {
    T::schemas(schemas);
    let schema = T::schema();
    let name = T::name();
    let named = !matches!(schema, RefOr::Ref(_) | RefOr::T(Schema::Array(_)))
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && !UNNAMED.contains(&name.as_ref());
    if !named {
        return schema;
    }
    schemas.push((name.to_string(), schema));
    RefOr::Ref(Ref::from_schema_name(name))
}

/// What the standard library and serde_json call their types is no name for a schema.
const UNNAMED: [&str; 9] = [
    "Option",
    "Value",
    "String",
    "HashMap",
    "BTreeMap",
    "Map",
    "TupleUnit",
    "Uuid",
    "DateTime",
];

pub(super) fn string() -> RefOr<Schema> {
    RefOr::T(Schema::Object(
        ObjectBuilder::new().schema_type(Type::String).build(),
    ))
}

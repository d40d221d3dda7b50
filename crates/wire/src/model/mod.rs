//! A service model: operations, shapes and constraints, as AWS publishes them (botocore's JSON format).

mod parse;
mod pattern;

pub use parse::ModelError;
pub use pattern::Pattern;

use crate::protocol::Protocol;
use crate::route::RestRoutes;
use std::collections::HashMap;
use std::sync::OnceLock;

/// A model that is parsed when it is first used.
pub struct LazyModel {
    name: &'static str,
    json: &'static str,
    validation_code: Option<&'static str>,
    pub(crate) judges_itself: bool,
    parsed: OnceLock<Model>,
}

impl LazyModel {
    /// A model in botocore's JSON format under the name by which credential scopes know the service.
    pub const fn new(name: &'static str, json: &'static str) -> Self {
        Self {
            name,
            json,
            validation_code: None,
            judges_itself: false,
            parsed: OnceLock::new(),
        }
    }

    /// Names the error code of failed validation where the service has one of its own.
    #[must_use]
    pub const fn validation_code(mut self, code: &'static str) -> Self {
        self.validation_code = Some(code);
        self
    }

    /// The service judges every member itself, in words of its own: the model's constraints are not checked. Members that
    /// are missing are what the typed shapes have for nothing.
    #[must_use]
    pub const fn judges_itself(mut self) -> Self {
        self.judges_itself = true;
        self
    }

    /// The name in credential scopes and ARNs, such as `lambda`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The parsed model.
    ///
    /// # Panics
    /// When the embedded JSON is not a model; a test of this crate parses every embedded model.
    pub fn get(&self) -> &Model {
        self.parsed.get_or_init(|| match Model::parse(self.json) {
            Ok(model) => model,
            Err(error) => panic!("the embedded model of {} is broken: {error}", self.name),
        })
    }

    /// The error code of failed validation: the service's own, else the protocol's usual one.
    pub(crate) fn code_of_validation(&self) -> &'static str {
        self.validation_code.unwrap_or(match self.get().protocol() {
            Protocol::Query | Protocol::Ec2 => "ValidationError",
            _ => "ValidationException",
        })
    }
}

/// A parsed service model.
#[derive(Debug)]
pub struct Model {
    /// What the model says of the service as a whole.
    pub metadata: Metadata,
    pub(crate) operations: HashMap<String, OperationModel>,
    shapes: Vec<Shape>,
    shape_names: HashMap<String, ShapeId>,
    pub(crate) routes: RestRoutes,
}

/// What a model says of its service as a whole.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// The protocols the service speaks, its preferred one first. Never empty.
    pub protocols: Vec<Protocol>,
    /// Such as `2015-03-31`.
    pub api_version: String,
    /// The service in credential scopes.
    pub signing_name: String,
    /// The prefix of `X-Amz-Target`, and the service's name in `rpcv2Cbor` paths.
    pub target_prefix: Option<String>,
    /// The default XML namespace of responses.
    pub xml_namespace: Option<Namespace>,
    /// Whether errors also carry their old awsQuery codes in `x-amzn-query-error`.
    pub query_compatible: bool,
}

/// One operation.
#[derive(Debug)]
pub struct OperationModel {
    /// Such as `CreateFunction`.
    pub name: String,
    /// `GET`, `POST`, …
    pub method: String,
    /// The URI template of REST protocols, such as `/2015-03-31/functions/{FunctionName}`.
    pub uri: String,
    /// The status of success; 200 unless the model says otherwise.
    pub status: u16,
    /// The input structure, with the traits of the reference.
    pub input: Option<Member>,
    /// The output structure, with the traits of the reference.
    pub output: Option<Member>,
    /// The error shapes that the operation may answer.
    pub errors: Vec<ShapeId>,
    /// Whether it may be called without a signature (`authtype: none`).
    pub unsigned: bool,
}

/// The index of a shape in its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShapeId(u32);

/// One shape with its constraints.
#[derive(Debug)]
pub struct Shape {
    /// The name in the model.
    pub name: String,
    /// What it is made of.
    pub kind: Kind,
    /// The name of its XML element where it is a body's root.
    pub location_name: Option<String>,
    /// The smallest length, size or value.
    pub min: Option<f64>,
    /// The largest length, size or value.
    pub max: Option<f64>,
    /// The regular expression a string must match.
    pub pattern: Option<Pattern>,
    /// The values of an enum, in the model's order; empty for other shapes.
    pub enumeration: Vec<String>,
    /// Whether lists and maps of this shape may hold nulls.
    pub sparse: bool,
    /// Whether values must not appear in messages.
    pub sensitive: bool,
    /// Set for error shapes.
    pub error: Option<ErrorTraits>,
}

/// What makes a structure an error.
#[derive(Debug, Clone, Default)]
pub struct ErrorTraits {
    /// The code on the wire of query and XML protocols, where it differs from the shape's name.
    pub code: Option<String>,
    /// The HTTP status, when modelled.
    pub status: Option<u16>,
}

/// What a shape is made of.
#[derive(Debug)]
pub enum Kind {
    /// A structure or union.
    Structure(Structure),
    /// A list of this.
    List(Box<Member>),
    /// A map from key to value.
    Map(Box<Member>, Box<Member>),
    /// Text.
    String,
    /// Bytes.
    Blob,
    /// True or false.
    Boolean,
    /// A whole number between these, inclusive.
    Integer(i64, i64),
    /// 32-bit floating point.
    Float,
    /// 64-bit floating point.
    Double,
    /// A point in time.
    Timestamp,
    /// Any JSON.
    Document,
}

/// The members of a structure.
#[derive(Debug, Default)]
pub struct Structure {
    /// In the model's order.
    pub members: Vec<Member>,
    /// The member that is the HTTP body by itself.
    pub payload: Option<usize>,
    /// Whether exactly one member must be set.
    pub union: bool,
    /// Whether it is a union of events that are streamed.
    pub event_stream: bool,
}

/// A reference to a shape: a member of a structure, the items of a list, the key or value of a map, an operation's input
/// or output. Its traits win over those of the shape.
#[derive(Debug, Clone)]
pub struct Member {
    /// The name in the typed shape; empty for items, keys, values and operations' inputs.
    pub name: String,
    /// What it refers to.
    pub shape: ShapeId,
    /// The shape's name.
    pub shape_name: String,
    /// Where HTTP carries it.
    pub location: Location,
    /// Its name on the wire, when not `name`.
    pub location_name: Option<String>,
    /// Its name in ec2 queries.
    pub query_name: Option<String>,
    /// Its name in forms and in the XML that answers them, where the service speaks JSON as well and names it otherwise
    /// there (SQS).
    pub form_name: Option<String>,
    /// Lists and maps of XML without a wrapper.
    pub flattened: bool,
    /// Carried as an attribute of its parent's element.
    pub xml_attribute: bool,
    /// The namespace of its element.
    pub xml_namespace: Option<Namespace>,
    /// Overrides the protocol's timestamp format.
    pub timestamp_format: Option<TimestampFormat>,
    /// JSON text, base64 in headers.
    pub json_value: bool,
    /// A body that is not buffered by clients.
    pub streaming: bool,
    /// Of an event: the frame's payload.
    pub event_payload: bool,
    /// Of an event: a header of the frame.
    pub event_header: bool,
    /// Whether clients fill it in when the caller does not.
    pub idempotency_token: bool,
    /// Whether it must be present.
    pub required: bool,
}

impl Member {
    /// Its name on the wire.
    pub fn wire_name(&self) -> &str {
        self.location_name.as_deref().unwrap_or(&self.name)
    }

    /// Its name in forms and in XML.
    pub fn form_name(&self) -> &str {
        self.form_name.as_deref().unwrap_or_else(|| self.wire_name())
    }
}

/// An XML namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// The URI.
    pub uri: String,
    /// The prefix, when it is not the default namespace.
    pub prefix: Option<String>,
}

/// Where HTTP carries a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In the body.
    Body,
    /// In one header.
    Header,
    /// In all headers that begin with a prefix.
    PrefixHeaders,
    /// In a label of the path.
    Uri,
    /// In a query parameter, or, for a map, all the query parameters.
    Query,
    /// The response's status.
    Status,
}

/// How a timestamp is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampFormat {
    /// `2026-11-21T12:00:00Z`
    Iso8601,
    /// `Sat, 21 Nov 2026 12:00:00 GMT`
    HttpDate,
    /// Seconds since the epoch, with a fraction when there is one.
    EpochSeconds,
}

impl Model {
    /// The service's preferred protocol.
    pub fn protocol(&self) -> Protocol {
        self.metadata.protocols[0]
    }

    /// The operation of this name.
    pub fn operation(&self, name: &str) -> Option<&OperationModel> {
        self.operations.get(name)
    }

    /// All operations, in no order.
    pub fn operations(&self) -> impl Iterator<Item = &OperationModel> {
        self.operations.values()
    }

    /// The shape with this id.
    pub fn shape(&self, id: ShapeId) -> &Shape {
        &self.shapes[id.0 as usize]
    }

    /// All shapes.
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// The shape with this name.
    pub fn shape_named(&self, name: &str) -> Option<&Shape> {
        self.shape_names.get(name).map(|id| self.shape(*id))
    }

    /// The members of the structure that `member` refers to; none when it is not a structure.
    pub fn structure(&self, member: &Member) -> Option<&Structure> {
        match &self.shape(member.shape).kind {
            Kind::Structure(structure) => Some(structure),
            _ => None,
        }
    }

    /// The error shape of a code: by its name, else by its code on the wire.
    pub fn error(&self, code: &str) -> Option<&Shape> {
        let named = self.shape_named(code).filter(|shape| shape.error.is_some());
        named.or_else(|| {
            let has_code = |shape: &&Shape| {
                shape
                    .error
                    .as_ref()
                    .is_some_and(|error| error.code.as_deref() == Some(code))
            };
            self.shapes.iter().find(has_code)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::models;

    #[test]
    fn every_embedded_model_parses() {
        for model in models::ALL {
            assert!(model.get().operations().count() > 0, "{}", model.name());
        }
    }

    #[test]
    fn every_pattern_of_the_embedded_models_translates() {
        let broken: Vec<String> = models::ALL
            .iter()
            .flat_map(|model| model.get().shapes())
            .filter_map(|shape| shape.pattern.as_ref())
            .filter(|pattern| pattern.compiled().is_none())
            .map(|pattern| pattern.source().to_owned())
            .collect();
        assert!(broken.is_empty(), "patterns that are not checked: {broken:#?}");
    }
}

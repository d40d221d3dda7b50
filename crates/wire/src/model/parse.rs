use super::*;
use serde_json::{Map, Value};

/// Text that is not a service model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A part is missing or has another form than botocore's format gives it.
    #[error("{0}")]
    Form(String),
}

fn form(what: impl Into<String>) -> ModelError {
    ModelError::Form(what.into())
}

impl Model {
    /// Reads a model in botocore's `service-2.json` format.
    ///
    /// # Errors
    /// When the text is not JSON, names an unknown protocol or type, or refers to a shape that it does not have.
    pub fn parse(json: &str) -> Result<Self, ModelError> {
        let root: Value = serde_json::from_str(json)?;
        let empty = Map::new();
        let raw_shapes = root["shapes"].as_object().unwrap_or(&empty);
        let names: HashMap<&str, ShapeId> = raw_shapes
            .keys()
            .enumerate()
            .map(|(at, name)| (name.as_str(), ShapeId(at as u32)))
            .collect();
        let parser = Parser {
            raw: raw_shapes,
            names: &names,
        };
        let shapes = raw_shapes
            .iter()
            .map(|(name, raw)| parser.shape(name, raw))
            .collect::<Result<Vec<_>, _>>()?;
        let mut operations = HashMap::new();
        for (name, raw) in root["operations"].as_object().ok_or_else(|| form("no operations"))? {
            operations.insert(name.clone(), parser.operation(name, raw)?);
        }
        let metadata = metadata(&root["metadata"])?;
        let routes = RestRoutes::new(operations.values());
        let shape_names = names.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect();
        Ok(Self {
            metadata,
            operations,
            shapes,
            shape_names,
            routes,
        })
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn metadata(raw: &Value) -> Result<Metadata, ModelError> {
    let version = raw["jsonVersion"].as_str().unwrap_or("1.0");
    let main = raw["protocol"].as_str().ok_or_else(|| form("no protocol"))?;
    let listed = raw["protocols"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let mut protocols = Vec::new();
    for name in [main].into_iter().chain(listed) {
        let protocol = match name {
            "json" if version == "1.1" => Protocol::Json11,
            "json" => Protocol::Json10,
            "rest-json" => Protocol::RestJson,
            "rest-xml" => Protocol::RestXml,
            "query" => Protocol::Query,
            "ec2" => Protocol::Ec2,
            "smithy-rpc-v2-cbor" => Protocol::RpcV2Cbor,
            other => return Err(form(format!("unknown protocol {other}"))),
        };
        if !protocols.contains(&protocol) {
            protocols.push(protocol);
        }
    }
    let signing = text(&raw["signingName"]).or_else(|| text(&raw["endpointPrefix"]));
    Ok(Metadata {
        protocols,
        api_version: text(&raw["apiVersion"]).unwrap_or_default(),
        signing_name: signing.unwrap_or_default(),
        target_prefix: text(&raw["targetPrefix"]),
        xml_namespace: namespace(&raw["xmlNamespace"]),
        query_compatible: !raw["awsQueryCompatible"].is_null(),
    })
}

fn namespace(raw: &Value) -> Option<Namespace> {
    match raw {
        Value::String(uri) => Some(Namespace {
            uri: uri.clone(),
            prefix: None,
        }),
        Value::Object(fields) => Some(Namespace {
            uri: text(fields.get("uri")?)?,
            prefix: fields.get("prefix").and_then(text),
        }),
        _ => None,
    }
}

struct Parser<'a> {
    raw: &'a Map<String, Value>,
    names: &'a HashMap<&'a str, ShapeId>,
}

impl Parser<'_> {
    fn operation(&self, name: &str, raw: &Value) -> Result<OperationModel, ModelError> {
        let reference = |raw: &Value| {
            if raw.is_null() {
                Ok(None)
            } else {
                self.member("", raw, false).map(Some)
            }
        };
        let errors = raw["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|error| error["shape"].as_str());
        Ok(OperationModel {
            name: raw["name"].as_str().unwrap_or(name).to_owned(),
            method: text(&raw["http"]["method"]).unwrap_or_else(|| "POST".into()),
            uri: text(&raw["http"]["requestUri"]).unwrap_or_else(|| "/".into()),
            status: raw["http"]["responseCode"]
                .as_u64()
                .and_then(|code| u16::try_from(code).ok())
                .unwrap_or(200),
            input: reference(&raw["input"])?,
            output: reference(&raw["output"])?,
            errors: errors.filter_map(|name| self.names.get(name).copied()).collect(),
            unsigned: raw["authtype"] == "none",
        })
    }

    fn member(&self, name: &str, raw: &Value, required: bool) -> Result<Member, ModelError> {
        let shape_name = raw["shape"]
            .as_str()
            .ok_or_else(|| form(format!("member {name:?} names no shape")))?;
        let shape = self
            .names
            .get(shape_name)
            .ok_or_else(|| form(format!("no shape {shape_name}")))?;
        let target = &self.raw[shape_name];
        let either = |field: &str| {
            if raw[field].is_null() {
                &target[field]
            } else {
                &raw[field]
            }
        };
        let flag = |field: &str| either(field).as_bool().unwrap_or(false);
        Ok(Member {
            name: name.into(),
            shape: *shape,
            shape_name: shape_name.into(),
            location: match raw["location"].as_str() {
                None => Location::Body,
                Some("header") => Location::Header,
                Some("headers") => Location::PrefixHeaders,
                Some("uri") => Location::Uri,
                Some("querystring") => Location::Query,
                Some("statusCode") => Location::Status,
                Some(other) => return Err(form(format!("unknown location {other}"))),
            },
            location_name: text(&raw["locationName"]).or_else(|| self.flat_item_name(raw, target)),
            query_name: text(&raw["queryName"]),
            form_name: text(&raw["formName"]),
            flattened: flag("flattened"),
            xml_attribute: flag("xmlAttribute"),
            xml_namespace: namespace(either("xmlNamespace")),
            timestamp_format: match either("timestampFormat").as_str() {
                None => None,
                Some("iso8601") => Some(TimestampFormat::Iso8601),
                Some("rfc822") => Some(TimestampFormat::HttpDate),
                Some("unixTimestamp") => Some(TimestampFormat::EpochSeconds),
                Some(other) => return Err(form(format!("unknown timestamp format {other}"))),
            },
            json_value: flag("jsonvalue"),
            streaming: flag("streaming"),
            event_payload: flag("eventpayload"),
            event_header: flag("eventheader"),
            idempotency_token: flag("idempotencyToken"),
            required,
        })
    }

    /// A list whose *shape* is flat is written under the name of its items.
    fn flat_item_name(&self, raw: &Value, target: &Value) -> Option<String> {
        let flat_by_shape = target["type"] == "list" && target["flattened"] == true && raw["flattened"].is_null();
        flat_by_shape.then(|| text(&target["member"]["locationName"])).flatten()
    }

    fn shape(&self, name: &str, raw: &Value) -> Result<Shape, ModelError> {
        let kind = match raw["type"]
            .as_str()
            .ok_or_else(|| form(format!("shape {name} has no type")))?
        {
            _ if raw["document"] == true => Kind::Document,
            "structure" => Kind::Structure(self.structure(raw)?),
            "list" => Kind::List(Box::new(self.member("", &raw["member"], false)?)),
            "map" => Kind::Map(
                Box::new(self.member("", &raw["key"], false)?),
                Box::new(self.member("", &raw["value"], false)?),
            ),
            "string" | "character" => Kind::String,
            "blob" => Kind::Blob,
            "boolean" => Kind::Boolean,
            "byte" => Kind::Integer(i8::MIN.into(), i8::MAX.into()),
            "short" => Kind::Integer(i16::MIN.into(), i16::MAX.into()),
            "integer" => Kind::Integer(i32::MIN.into(), i32::MAX.into()),
            "long" | "biginteger" => Kind::Integer(i64::MIN, i64::MAX),
            "float" => Kind::Float,
            "double" | "bigdecimal" => Kind::Double,
            "timestamp" => Kind::Timestamp,
            other => return Err(form(format!("shape {name} has the unknown type {other}"))),
        };
        let values = raw["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let status = raw["error"]["httpStatusCode"]
            .as_u64()
            .and_then(|status| u16::try_from(status).ok());
        let is_error = raw["exception"] == true || !raw["error"].is_null();
        Ok(Shape {
            name: name.into(),
            kind,
            location_name: text(&raw["locationName"]),
            min: raw["min"].as_f64(),
            max: raw["max"].as_f64(),
            pattern: raw["pattern"].as_str().map(Pattern::new),
            enumeration: values.map(str::to_owned).collect(),
            sparse: raw["sparse"] == true,
            sensitive: raw["sensitive"] == true,
            error: is_error.then(|| ErrorTraits {
                code: text(&raw["error"]["code"]),
                status,
            }),
        })
    }

    fn structure(&self, raw: &Value) -> Result<Structure, ModelError> {
        let required: Vec<&str> = raw["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let members = raw["members"].as_object().into_iter().flatten();
        let members = members
            .map(|(name, member)| self.member(name, member, required.contains(&name.as_str())))
            .collect::<Result<Vec<_>, _>>()?;
        let payload = raw["payload"]
            .as_str()
            .and_then(|name| members.iter().position(|member| member.name == name));
        Ok(Structure {
            members,
            payload,
            union: raw["union"] == true,
            event_stream: raw["eventstream"] == true,
        })
    }
}

use super::super::{Budget, DecodeError, MAX_DEPTH, Members, parse_float, timestamp};
use crate::model::{Kind, Member, Model, Structure};
use crate::value::Value;
use base64::Engine;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// An element; names are local, without their prefix.
#[derive(Debug, Default)]
pub(in super::super) struct Element {
    pub(in super::super) name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    text: String,
}

/// Parses a whole document into its root element.
pub(in super::super) fn parse(body: &[u8]) -> Result<Element, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("the body is not UTF-8"))?;
    let budget = Budget::new();
    let mut reader = Reader::from_str(text);
    // Open elements; the first stands for the document.
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(|error| malformed(error.to_string()))?;
        match event {
            Event::Start(start) => {
                budget.spend()?;
                if open.len() > MAX_DEPTH {
                    return Err(DecodeError::too_deep());
                }
                open.push(element(&start, &budget)?);
            }
            Event::Empty(start) => {
                budget.spend()?;
                let element = element(&start, &budget)?;
                if let Some(parent) = open.last_mut() {
                    parent.children.push(element);
                }
            }
            Event::End(_) => {
                // The reader has checked that the end matches a start, so two are open.
                if let (Some(done), Some(parent)) = (open.pop(), open.last_mut()) {
                    parent.children.push(done);
                }
            }
            Event::Text(text) => append(&mut open, &text.xml_content(XmlVersion::Implicit1_0)),
            Event::CData(text) => append(&mut open, &text.xml_content(XmlVersion::Implicit1_0)),
            Event::GeneralRef(reference) => {
                let resolved = reference
                    .resolve_char_ref()
                    .map_err(|error| malformed(error.to_string()))?;
                match resolved {
                    Some(letter) => append(&mut open, letter.encode_utf8(&mut [0; 4])),
                    None => {
                        let name = reference.into_inner();
                        let text =
                            resolve_xml_entity(&name).ok_or_else(|| malformed(format!("unknown entity &{name};")))?;
                        append(&mut open, text);
                    }
                }
            }
            Event::DocType(_) => return Err(malformed("a document type declaration is not allowed")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    let document = open
        .pop()
        .filter(|_| open.is_empty())
        .ok_or_else(|| malformed("the document ends too early"))?;
    let mut roots = document.children.into_iter();
    match (roots.next(), roots.next()) {
        (Some(root), None) => Ok(root),
        _ => Err(malformed("a document has one root element")),
    }
}

fn malformed(detail: impl std::fmt::Display) -> DecodeError {
    DecodeError::new(format!(
        "The XML you provided was not well-formed or did not validate against our published schema: {detail}"
    ))
}

fn append(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn element(start: &BytesStart<'_>, budget: &Budget) -> Result<Element, DecodeError> {
    let mut element = Element {
        name: start.local_name().as_ref().to_owned(),
        ..Element::default()
    };
    for attribute in start.attributes() {
        budget.spend()?;
        let attribute = attribute.map_err(|error| malformed(error.to_string()))?;
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| malformed(error.to_string()))?;
        element
            .attributes
            .push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(element)
}

impl Element {
    pub(in super::super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }
}

/// Decodes an element as the shape of `member`.
pub(in super::super) fn decode(
    model: &Model,
    member: &Member,
    members: Members,
    element: &Element,
) -> Result<Value, DecodeError> {
    match &model.shape(member.shape).kind {
        Kind::Structure(structure) => decode_structure(model, structure, members, element),
        Kind::List(item) => element
            .children
            .iter()
            .map(|child| decode(model, item, Members::All, child))
            .collect::<Result<_, _>>()
            .map(Value::List),
        Kind::Map(key, value) => entries(model, key, value, element.children.iter()),
        kind => scalar(kind, &element.text),
    }
}

fn decode_structure(
    model: &Model,
    structure: &Structure,
    members: Members,
    element: &Element,
) -> Result<Value, DecodeError> {
    let mut out = Vec::new();
    for member in structure.members.iter().filter(|member| members.includes(member)) {
        let name = member.wire_name();
        let local = name.rsplit(':').next().unwrap_or(name);
        if member.xml_attribute {
            if let Some((_, text)) = element.attributes.iter().find(|(key, _)| key == name) {
                out.push((member.name.clone(), scalar(&model.shape(member.shape).kind, text)?));
            }
            continue;
        }
        let mut found = element.children.iter().filter(|child| child.name == local).peekable();
        if found.peek().is_none() {
            continue;
        }
        let value = match &model.shape(member.shape).kind {
            Kind::List(item) if member.flattened => Value::List(
                found
                    .map(|child| decode(model, item, Members::All, child))
                    .collect::<Result<_, _>>()?,
            ),
            Kind::Map(key, value) if member.flattened => entries(model, key, value, found)?,
            _ => match found.next() {
                Some(child) => decode(model, member, Members::All, child)?,
                None => continue,
            },
        };
        out.push((member.name.clone(), value));
    }
    Ok(Value::Map(out))
}

fn entries<'e>(
    model: &Model,
    key: &Member,
    value: &Member,
    entries: impl Iterator<Item = &'e Element>,
) -> Result<Value, DecodeError> {
    let (key_name, value_name) = (
        key.location_name.as_deref().unwrap_or("key"),
        value.location_name.as_deref().unwrap_or("value"),
    );
    let mut out = Vec::new();
    for entry in entries {
        let key = entry
            .child(key_name)
            .ok_or_else(|| malformed(format!("an entry without <{key_name}>")))?;
        let item = match entry.child(value_name) {
            Some(child) => decode(model, value, Members::All, child)?,
            None => Value::Null,
        };
        out.push((key.text.clone(), item));
    }
    Ok(Value::Map(out))
}

/// Text as a scalar; shared with query strings, forms, headers and labels.
pub(in super::super) fn scalar(kind: &Kind, text: &str) -> Result<Value, DecodeError> {
    let trimmed = text.trim();
    let wrong = |expected: &str| DecodeError::new(format!("{trimmed:.64?} can not be converted to {expected}"));
    match kind {
        Kind::String => Ok(Value::String(text.into())),
        Kind::Blob => base64::engine::general_purpose::STANDARD
            .decode(trimmed)
            .map(|bytes| Value::Blob(bytes.into()))
            .map_err(|_| wrong("a Blob: it is not base64")),
        Kind::Boolean => match trimmed {
            "true" | "True" | "TRUE" | "1" => Ok(Value::Bool(true)),
            "false" | "False" | "FALSE" | "0" => Ok(Value::Bool(false)),
            _ => Err(wrong("a Boolean")),
        },
        Kind::Integer(min, max) => trimmed
            .parse()
            .ok()
            .filter(|number| (*min..=*max).contains(number))
            .map(Value::Integer)
            .ok_or_else(|| wrong(if *max == i64::MAX { "a Long" } else { "an Integer" })),
        Kind::Float | Kind::Double => parse_float(trimmed).map(Value::Float).ok_or_else(|| wrong("a Double")),
        Kind::Timestamp => timestamp::parse(trimmed)
            .map(Value::Integer)
            .ok_or_else(|| wrong("a Timestamp")),
        Kind::Document | Kind::Structure(_) | Kind::List(_) | Kind::Map(..) => Err(wrong("a structure")),
    }
}

/// An element in a form that can be compared.
#[cfg(test)]
#[derive(Debug, PartialEq)]
pub(crate) struct Canonical {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Canonical>,
    text: String,
}

#[cfg(test)]
impl Element {
    pub(in super::super) fn canonical(self) -> Canonical {
        let mut attributes = self.attributes;
        attributes.sort();
        let ids = ["requestId", "RequestId", "RequestID", "ResponseMetadata"];
        let children: Vec<Canonical> = self.children.into_iter().map(Element::canonical).collect();
        let children: Vec<Canonical> = children
            .into_iter()
            .filter(|child| !ids.contains(&child.name.as_str()))
            .collect();
        let text = if self.text.trim().is_empty() {
            String::new()
        } else {
            self.text
        };
        Canonical {
            name: self.name,
            attributes,
            text,
            children,
        }
    }

    /// The wrapper of an awsQuery result.
    pub(in super::super) fn only_child(&self) -> Option<&Element> {
        self.children.iter().find(|child| child.name.ends_with("Result"))
    }
}

#[cfg(test)]
impl Canonical {
    /// The same, its root bare of attributes.
    pub(crate) fn without_attributes(mut self) -> Self {
        self.attributes.clear();
        self
    }
}

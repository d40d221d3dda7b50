use super::super::{Members, format_float, timestamp};
use crate::model::{Kind, Member, Model, Namespace, TimestampFormat};
use crate::value::Value;
use base64::Engine;
use quick_xml::escape::escape;

/// Builds an XML document.
pub(in super::super) struct XmlWriter<'m> {
    model: &'m Model,
    out: String,
    /// Whether an element without content is one tag.
    short: bool,
}

impl<'m> XmlWriter<'m> {
    pub(in super::super) fn new(model: &'m Model) -> Self {
        Self {
            model,
            out: String::with_capacity(512),
            short: false,
        }
    }

    /// A document of a query service: an element without content is written `<name/>`, as AWS does.
    pub(in super::super) fn of_query(model: &'m Model) -> Self {
        let mut writer = Self::new(model);
        writer.short = true;
        if crate::sqs::is_sqs(model) {
            writer.out.push_str("<?xml version=\"1.0\"?>");
        }
        writer
    }

    /// The same; a document of S3 begins with the declaration, as it does at AWS.
    pub(in super::super) fn declared(model: &'m Model) -> Self {
        let mut writer = Self::new(model);
        if crate::s3::is_s3(model) {
            writer.out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        }
        writer
    }

    pub(in super::super) fn finish(self) -> Vec<u8> {
        self.out.into_bytes()
    }

    /// Opens an element; attributes are `(name, value)`.
    pub(in super::super) fn open(&mut self, name: &str, namespace: Option<&Namespace>, attributes: &[(&str, String)]) {
        self.out.push('<');
        self.out.push_str(name);
        if let Some(namespace) = namespace {
            match &namespace.prefix {
                Some(prefix) => self.attribute(&format!("xmlns:{prefix}"), &namespace.uri),
                None => self.attribute("xmlns", &namespace.uri),
            }
        }
        for (name, value) in attributes {
            self.attribute(name, value);
        }
        self.out.push('>');
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push_str(&format!(" {name}=\"{}\"", escape(value)));
    }

    pub(in super::super) fn close(&mut self, name: &str) {
        // Text never ends in this letter, so it is the end of a tag: of the one that is to be closed, unless that tag
        // closed another.
        if self.short && self.out.ends_with('>') && self.last_tag_opens() {
            self.out.pop();
            self.out.push_str("/>");
            return;
        }
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    fn last_tag_opens(&self) -> bool {
        let tag = self.out.rfind('<').map(|at| &self.out[at..]);
        tag.is_some_and(|tag| !tag.starts_with("</") && !tag.starts_with("<?") && !tag.ends_with("/>"))
    }

    /// An element that holds text.
    pub(in super::super) fn text(&mut self, name: &str, text: &str) {
        self.open(name, None, &[]);
        self.push_text(text);
        self.close(name);
    }

    fn push_text(&mut self, text: &str) {
        // A bare carriage return would be read back as a line feed.
        self.out.push_str(&escape(text).replace('\r', "&#xD;"));
    }

    /// The element `name` with the shape of `member`.
    pub(in super::super) fn element(&mut self, name: &str, member: &Member, members: Members, value: &Value) {
        let namespace = member.xml_namespace.as_ref();
        let attributes = self.attributes(member, value);
        self.open(name, namespace, &attributes);
        self.content(member, members, value);
        self.close(name);
    }

    fn attributes<'v>(&self, member: &Member, value: &'v Value) -> Vec<(&'m str, String)> {
        let Kind::Structure(structure) = &self.model.shape(member.shape).kind else {
            return Vec::new();
        };
        let attributes = structure.members.iter().filter(|member| member.xml_attribute);
        let set = attributes.filter_map(|member| {
            Some((
                member,
                value.get(&member.name).filter(|value: &&'v Value| !value.is_null())?,
            ))
        });
        set.map(|(member, value)| (member.wire_name(), self.scalar(member, value)))
            .collect()
    }

    /// What stands inside the element of `member`.
    pub(in super::super) fn content(&mut self, member: &Member, members: Members, value: &Value) {
        match (&self.model.shape(member.shape).kind, value) {
            (_, Value::Null) => {}
            (Kind::Structure(structure), Value::Map(_)) => {
                for member in structure
                    .members
                    .iter()
                    .filter(|member| members.includes(member) && !member.xml_attribute)
                {
                    if let Some(value) = value.get(&member.name).filter(|value| !value.is_null()) {
                        self.structure_member(member, value);
                    }
                }
            }
            (Kind::List(item), Value::List(items)) => {
                let name = item.location_name.as_deref().unwrap_or("member");
                for value in items {
                    self.element(name, item, Members::All, value);
                }
            }
            (Kind::Map(key, item), Value::Map(entries)) => self.entries("entry", None, key, item, entries),
            (_, value) => {
                let text = self.scalar(member, value);
                self.push_text(&text);
            }
        }
    }

    fn structure_member(&mut self, member: &Member, value: &Value) {
        let name = member.form_name();
        match (&self.model.shape(member.shape).kind, value) {
            (Kind::List(item), Value::List(items)) if member.flattened => {
                let namespaced = Member {
                    xml_namespace: member.xml_namespace.clone().or(item.xml_namespace.clone()),
                    ..(**item).clone()
                };
                for value in items {
                    self.element(name, &namespaced, Members::All, value);
                }
            }
            (Kind::Map(key, item), Value::Map(entries)) if member.flattened => {
                self.entries(name, member.xml_namespace.as_ref(), key, item, entries);
            }
            _ => self.element(name, member, Members::All, value),
        }
    }

    fn entries(
        &mut self,
        name: &str,
        namespace: Option<&Namespace>,
        key: &Member,
        item: &Member,
        entries: &[(String, Value)],
    ) {
        for (text, value) in entries {
            self.open(name, namespace, &[]);
            let key_name = key.location_name.as_deref().unwrap_or("key");
            self.element(key_name, key, Members::All, &Value::String(text.clone()));
            self.element(
                item.location_name.as_deref().unwrap_or("value"),
                item,
                Members::All,
                value,
            );
            self.close(name);
        }
    }

    fn scalar(&self, member: &Member, value: &Value) -> String {
        let kind = &self.model.shape(member.shape).kind;
        if let (Kind::Timestamp, Value::Integer(millis), None) = (kind, value, member.timestamp_format)
            && crate::s3::is_s3(self.model)
        {
            // S3 knows whole seconds and writes milliseconds.
            let whole = timestamp::format(millis.div_euclid(1000) * 1000, TimestampFormat::Iso8601);
            return whole.replace('Z', ".000Z");
        }
        scalar(kind, member.timestamp_format.unwrap_or(TimestampFormat::Iso8601), value)
    }
}

/// A scalar as text, with the format for timestamps; shared with headers.
pub(in super::super) fn scalar(kind: &Kind, format: TimestampFormat, value: &Value) -> String {
    match (kind, value) {
        (Kind::Timestamp, Value::Integer(millis)) => timestamp::format(*millis, format),
        (Kind::Float | Kind::Double, Value::Integer(number)) => number.to_string(),
        (kind, Value::Float(number)) => format_float(*number, matches!(kind, Kind::Float)),
        (_, Value::Integer(number)) => number.to_string(),
        (_, Value::Bool(value)) => value.to_string(),
        (_, Value::String(text)) => text.clone(),
        (_, Value::Blob(bytes)) => base64::engine::general_purpose::STANDARD.encode(bytes),
        (_, Value::Null | Value::List(_) | Value::Map(_)) => String::new(),
    }
}

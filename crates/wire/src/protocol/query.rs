//! awsQuery and ec2Query requests: a form whose dotted names spell a tree.

use super::xml::scalar;
use super::{Budget, DecodeError, MAX_DEPTH, MAX_PARAMETERS};
use crate::model::{Kind, Member, Model};
use crate::value::Value;
use danbi_core::uri;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A name of the tree: what it is, and what is below it.
#[derive(Default)]
struct Node {
    text: Option<String>,
    below: BTreeMap<String, Node>,
}

/// Splits `a=1&b=2` and decodes both sides, `+` being a space.
pub(crate) fn parse_form(text: &str) -> Result<Vec<(String, String)>, DecodeError> {
    let mut out = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        if out.len() == MAX_PARAMETERS {
            return Err(DecodeError::new("The request has too many parameters."));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        out.push((decode_component(name, true), decode_component(value, true)));
    }
    Ok(out)
}

/// Undoes percent-encoding; malformed escapes stay as they are, bytes that are not UTF-8 become U+FFFD.
pub(crate) fn decode_component(text: &str, plus_is_space: bool) -> String {
    let text = match plus_is_space {
        true => Cow::Owned(text.replace('+', " ")),
        false => Cow::Borrowed(text),
    };
    uri::decode_text(&text).into_owned()
}

/// Decodes a form as the shape of `member`.
pub(super) fn decode(
    model: &Model,
    member: &Member,
    ec2: bool,
    form: &[(String, String)],
) -> Result<Value, DecodeError> {
    let mut root = Node::default();
    for (name, value) in form {
        let mut node = &mut root;
        for (depth, part) in name.split('.').enumerate() {
            if depth > MAX_DEPTH {
                return Err(DecodeError::too_deep());
            }
            node = node.below.entry(part.to_owned()).or_default();
        }
        node.text = Some(value.clone());
    }
    let decoder = Decoder {
        model,
        ec2,
        budget: Budget::new(),
    };
    decoder.node(member, &root)
}

struct Decoder<'a> {
    model: &'a Model,
    ec2: bool,
    budget: Budget,
}

impl Decoder<'_> {
    fn node(&self, member: &Member, node: &Node) -> Result<Value, DecodeError> {
        self.budget.spend()?;
        match &self.model.shape(member.shape).kind {
            Kind::Structure(structure) => {
                let mut out = Vec::new();
                for member in &structure.members {
                    if let Some(below) = node.below.get(&self.name(member)) {
                        out.push((member.name.clone(), self.node(member, below)?));
                    }
                }
                Ok(Value::Map(out))
            }
            Kind::List(item) => {
                let wrapper = item.location_name.as_deref().unwrap_or("member");
                let items = if self.ec2 || member.flattened {
                    node
                } else {
                    node.below.get(wrapper).unwrap_or(node)
                };
                numbered(items)
                    .into_iter()
                    .map(|node| self.node(item, node))
                    .collect::<Result<_, _>>()
                    .map(Value::List)
            }
            Kind::Map(key, value) => {
                let entries = if self.ec2 || member.flattened {
                    node
                } else {
                    node.below.get("entry").unwrap_or(node)
                };
                let key_name = key.location_name.as_deref().unwrap_or("key");
                let value_name = value.location_name.as_deref().unwrap_or("value");
                let mut out = Vec::new();
                for entry in numbered(entries) {
                    let text = entry.below.get(key_name).and_then(|key| key.text.clone());
                    let text = text.ok_or_else(|| DecodeError::new("A map entry has no key."))?;
                    let item = match entry.below.get(value_name) {
                        Some(node) => self.node(value, node)?,
                        None => Value::Null,
                    };
                    out.push((text, item));
                }
                Ok(Value::Map(out))
            }
            kind => scalar(kind, node.text.as_deref().unwrap_or_default()),
        }
    }

    fn name(&self, member: &Member) -> String {
        if !self.ec2 {
            return member.form_name().to_owned();
        }
        member.query_name.clone().unwrap_or_else(|| {
            let mut letters = member.wire_name().chars();
            letters
                .next()
                .map(|first| first.to_uppercase().chain(letters).collect())
                .unwrap_or_default()
        })
    }
}

/// The children whose names are numbers, in their order. Gaps close up, as at AWS.
fn numbered(node: &Node) -> Vec<&Node> {
    let mut found: Vec<(u32, &Node)> = node
        .below
        .iter()
        .filter_map(|(name, node)| Some((name.parse().ok()?, node)))
        .collect();
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, node)| node).collect()
}

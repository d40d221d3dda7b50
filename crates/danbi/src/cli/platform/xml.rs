//! S3's XML answers, as far as the verbs read them.

use quick_xml::events::Event;
use quick_xml::reader::Reader;

/// An element with its text and its children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// The text directly in it.
    pub text: String,
    /// The elements in it.
    pub children: Vec<Element>,
}

impl Element {
    /// Reads a document; `None` when it is none.
    pub fn parse(document: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_str(std::str::from_utf8(document).ok()?);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => open.push(Self::named(start.local_name().as_ref())),
                Event::Empty(start) => open.last_mut()?.children.push(Self::named(start.local_name().as_ref())),
                Event::Text(text) => open.last_mut()?.text.push_str(&text),
                Event::GeneralRef(reference) => {
                    let character = match reference.resolve_char_ref().ok()? {
                        Some(character) => character.to_string(),
                        None => quick_xml::escape::resolve_predefined_entity(&reference)?.to_owned(),
                    };
                    open.last_mut()?.text.push_str(&character);
                }
                Event::End(_) => {
                    let ended = open.pop()?;
                    open.last_mut()?.children.push(ended);
                }
                Event::Eof => return open.pop()?.children.pop(),
                _ => {}
            }
        }
    }

    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// The children of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child of this name; empty when there is none.
    pub fn text_of(&self, name: &str) -> &str {
        self.children
            .iter()
            .find(|child| child.name == name)
            .map_or("", |child| child.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Element;

    #[test]
    fn a_listing_is_read_with_its_entities() {
        let document = br#"<?xml version="1.0"?><List xmlns="x"><Name>a&amp;b&#x41;</Name><Entry><Key>1</Key></Entry><Entry><Key/></Entry></List>"#;
        let list = Element::parse(document).unwrap();
        assert_eq!(list.text_of("Name"), "a&bA");
        let keys: Vec<_> = list.all("Entry").map(|entry| entry.text_of("Key")).collect();
        assert_eq!(keys, ["1", ""]);
        assert_eq!(Element::parse(b"<a><b></a>"), None);
        assert_eq!(Element::parse(b""), None);
    }
}

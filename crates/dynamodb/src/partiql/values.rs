//! Literals of statements.

use super::lexer::{Token, not_well_formed};
use super::parser::Parser;
use crate::{AttributeValue, Item, MAX_DEPTH, Number, Set, ValidationError};
use std::fmt::Write as _;

impl Parser<'_> {
    /// A literal or a parameter.
    pub(super) fn value(&mut self) -> Result<AttributeValue, ValidationError> {
        let mut place = String::from("root");
        self.nested(1, &mut place)
    }

    /// A map with its values, as INSERT has it: what is wrong with a number is told by its place in the attribute.
    pub(super) fn item(&mut self) -> Result<Item, ValidationError> {
        self.expect("{")?;
        self.entries(|parser, _| parser.value())
    }

    /// The entries of a map up to its closing brace.
    fn entries(
        &mut self,
        mut value: impl FnMut(&mut Self, &str) -> Result<AttributeValue, ValidationError>,
    ) -> Result<Item, ValidationError> {
        let mut item = Item::new();
        if self.eat("}") {
            return Ok(item);
        }
        loop {
            let name = match self.next() {
                Token::Text(name) | Token::Name(name) => name.into_owned(),
                _ => return Err(not_well_formed("Unexpected token in a map")),
            };
            self.expect(":")?;
            let value = value(self, &name)?;
            item.insert(name, value);
            if self.eat("}") {
                return Ok(item);
            }
            self.expect(",")?;
        }
    }

    fn nested(&mut self, depth: usize, place: &mut String) -> Result<AttributeValue, ValidationError> {
        if depth > MAX_DEPTH {
            return Err(crate::value::too_deep());
        }
        match self.next() {
            Token::Parameter => self.parameter(),
            Token::Text(text) => Ok(AttributeValue::S(text.into_owned())),
            Token::Number(text) => number("", text, place),
            Token::Symbol(sign @ ("-" | "+")) => match self.next() {
                Token::Number(text) => number(sign, text, place),
                _ => Err(not_well_formed("Unexpected token in a value")),
            },
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Ok(AttributeValue::Bool(true)),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Ok(AttributeValue::Bool(false)),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => Ok(AttributeValue::Null),
            Token::Symbol("{") => self.map(depth, place).map(AttributeValue::M),
            Token::Symbol("[") => self.list("]", depth, place).map(AttributeValue::L),
            Token::Symbol("<<") => set(self.list(">>", depth, place)?),
            _ => Err(not_well_formed("Unexpected token in a value")),
        }
    }

    fn map(&mut self, depth: usize, place: &mut String) -> Result<Item, ValidationError> {
        let length = place.len();
        self.entries(|parser, name| {
            // Writing into a string has no way to fail.
            let _ = write!(place, ".{name}");
            let value = parser.nested(depth + 1, place)?;
            place.truncate(length);
            Ok(value)
        })
    }

    fn list(
        &mut self,
        end: &'static str,
        depth: usize,
        place: &mut String,
    ) -> Result<Vec<AttributeValue>, ValidationError> {
        let length = place.len();
        let mut items = Vec::new();
        if self.eat(end) {
            return Ok(items);
        }
        loop {
            let _ = write!(place, "[{}]", items.len());
            items.push(self.nested(depth + 1, place)?);
            place.truncate(length);
            if self.eat(end) {
                return Ok(items);
            }
            self.expect(",")?;
        }
    }
}

/// A number; one whose exponent is beyond 32 bits is not even read.
fn number(sign: &str, text: &str, place: &str) -> Result<AttributeValue, ValidationError> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let places = mantissa
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.len() as i64);
    let exponent: i64 = exponent.parse().map_err(|_| not_well_formed(""))?;
    if i32::try_from(exponent).is_err() || i32::try_from(places - exponent).is_err() {
        return Err(not_well_formed(""));
    }
    let number: Result<Number, _> = format!("{sign}{text}").parse();
    number
        .map(AttributeValue::N)
        .map_err(|error| ValidationError::new(format!("{error} under {place}")))
}

/// The set of these elements, all of one type.
fn set(elements: Vec<AttributeValue>) -> Result<AttributeValue, ValidationError> {
    let mixed = || ValidationError::invalid_parameter("A set must have elements of one type: text, number or bytes");
    let count = elements.len();
    let twice = || ValidationError::new("Input collection contains duplicates");
    let (mut texts, mut numbers, mut blobs) = (Vec::new(), Vec::new(), Vec::new());
    for element in elements {
        match element {
            AttributeValue::S(text) => texts.push(text),
            AttributeValue::N(number) => numbers.push(number),
            AttributeValue::B(bytes) => blobs.push(bytes),
            _ => return Err(mixed()),
        }
    }
    let (set, distinct) = match (Set::new(texts), Set::new(numbers), Set::new(blobs)) {
        (Some(texts), None, None) => {
            let distinct = texts.len();
            (AttributeValue::Ss(texts), distinct)
        }
        (None, Some(numbers), None) => {
            let distinct = numbers.len();
            (AttributeValue::Ns(numbers), distinct)
        }
        (None, None, Some(blobs)) => {
            let distinct = blobs.len();
            (AttributeValue::Bs(blobs), distinct)
        }
        (None, None, None) => {
            return Err(ValidationError::invalid_parameter("An set  may not be empty"));
        }
        _ => return Err(mixed()),
    };
    if distinct == count { Ok(set) } else { Err(twice()) }
}

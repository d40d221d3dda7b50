//! From the text of a pattern to what can be asked.
//!
//! A pattern is a set of alternatives (one, unless it says `$or`), and each says for some paths which values it accepts.
//! Source: `JsonRuleCompiler` of <https://github.com/aws/event-ruler>, whose order of checks decides which of several
//! mistakes a client is told of.

use crate::event::{Event, Field};
use crate::matcher::{Glob, Matcher, Range};
use crate::tokens::{Kind, Tokens};
use crate::{MAX_RULES, MAX_STEPS, MAX_VALUES};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// More wildcards than this before the same character, and the pattern is refused as too complex.
const MAX_REPEATED_WILDCARDS: usize = 3;

/// Whose patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Rules and archives of EventBridge.
    EventBridge,
    /// Filter policies of SNS: no wildcards, and `anything-but` with a prefix only.
    Sns,
}

/// What is wrong with a text that is no pattern, in the words of AWS's parser.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(pub String);

type Rule = BTreeMap<String, Arc<Vec<Matcher>>>;
type Result<T> = std::result::Result<T, PatternError>;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    rules: Vec<Rule>,
}

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// What is wrong with it, and where: what AWS puts behind `Event pattern is not valid. Reason: `.
    pub fn compile(text: &str, dialect: Dialect) -> Result<Self> {
        Self::compile_showing(text, dialect, true)
    }

    /// The same; `with_source` says whether errors show the text.
    ///
    /// # Errors
    /// As those of [`Pattern::compile`].
    pub fn compile_showing(text: &str, dialect: Dialect, with_source: bool) -> Result<Self> {
        let mut compiler = Compiler {
            tokens: Tokens::new(text, with_source),
            dialect,
            values: 0,
            too_complex: false,
        };
        if compiler.tokens.advance()? != Kind::BeginObject {
            return compiler.wrong("Filter is not an object");
        }
        let mut rules = Vec::new();
        compiler.object(&mut rules, &mut Vec::new(), false)?;
        if compiler.too_complex {
            return Err(PatternError(
                "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character".into(),
            ));
        }
        Ok(Self { rules })
    }

    /// Whether the pattern accepts `event`.
    pub fn matches(&self, event: &Event) -> bool {
        self.rules.iter().any(|rule| accepts(rule, event))
    }
}

/// Whether there is a value for each path such that all of them are in the same elements of the arrays they share.
fn accepts(rule: &Rule, event: &Event) -> bool {
    let mut choices: Vec<Vec<&Field>> = Vec::with_capacity(rule.len());
    for (path, matchers) in rule {
        let fields = event.at(path);
        if fields.is_empty() {
            if matchers.contains(&Matcher::Exists(false)) {
                continue;
            }
            return false;
        }
        let fitting = |field: &&Field| matchers.iter().any(|matcher| matcher.accepts(&field.value));
        let found: Vec<&Field> = fields.iter().filter(fitting).collect();
        // One that is in no array is as good as any.
        match found.iter().find(|field| field.within.is_empty()) {
            Some(_) => {}
            None if found.is_empty() => return false,
            None => choices.push(found),
        }
    }
    choices.sort_by_key(Vec::len);
    agree(&choices, &mut HashMap::new(), &mut MAX_STEPS.clone())
}

fn agree(choices: &[Vec<&Field>], chosen: &mut HashMap<u32, u32>, steps: &mut usize) -> bool {
    let Some((first, rest)) = choices.split_first() else {
        return true;
    };
    for field in first {
        if *steps == 0 {
            return false;
        }
        *steps -= 1;
        if field
            .within
            .iter()
            .any(|(array, index)| chosen.get(array).is_some_and(|other| other != index))
        {
            continue;
        }
        let new: Vec<u32> = field
            .within
            .iter()
            .filter(|(array, _)| !chosen.contains_key(array))
            .map(|(array, _)| *array)
            .collect();
        chosen.extend(field.within.iter().copied());
        if agree(rest, chosen, steps) {
            return true;
        }
        for array in new {
            chosen.remove(&array);
        }
    }
    false
}

/// What stands inside `anything-but`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum But {
    Value,
    IgnoringCase,
    Prefix,
    Suffix,
    Wildcard,
}

struct Compiler<'t> {
    tokens: Tokens<'t>,
    dialect: Dialect,
    values: usize,
    too_complex: bool,
}

impl Compiler<'_> {
    fn wrong<T>(&self, message: &str) -> Result<T> {
        Err(self.tokens.error(message))
    }

    /// The same for what the original wraps once more: the place is told twice.
    fn wrong_inside<T>(&self, message: &str) -> Result<T> {
        let inner = self.tokens.error(message);
        Err(self.tokens.error(&inner.0))
    }

    fn object(&mut self, rules: &mut Vec<Rule>, path: &mut Vec<String>, inside_or: bool) -> Result<()> {
        let mut any = false;
        loop {
            let name = match self.tokens.advance()? {
                Kind::EndObject if any => return Ok(()),
                Kind::EndObject => return self.wrong("Empty objects are not allowed"),
                Kind::Name(name) => name,
                _ => return self.wrong("Match expression name not found"),
            };
            any = true;
            if name == "$or" {
                self.alternatives(rules, path)?;
                continue;
            }
            if inside_or && RESERVED.contains(&name.as_str()) {
                return self.wrong(&format!(
                    "{name} is Ruler reserved fieldName which cannot be used inside $or."
                ));
            }
            match self.tokens.advance()? {
                Kind::BeginObject => {
                    path.push(name);
                    self.object(rules, path, inside_or)?;
                    path.pop();
                }
                Kind::BeginArray => {
                    path.push(name);
                    let full = path.join(".");
                    path.pop();
                    self.values(rules, full)?;
                }
                _ => return self.wrong(&format!("\"{name}\" must be an object or an array")),
            }
        }
    }

    fn alternatives(&mut self, rules: &mut Vec<Rule>, path: &mut Vec<String>) -> Result<()> {
        let current = std::mem::take(rules);
        if self.tokens.advance()? != Kind::BeginArray {
            return self.wrong("It must be an Array followed with $or.");
        }
        let mut count = 0;
        loop {
            match self.tokens.advance()? {
                Kind::EndArray => break,
                Kind::BeginObject => {
                    count += 1;
                    let mut alternative = current.clone();
                    if alternative.is_empty() {
                        alternative.push(Rule::new());
                    }
                    self.object(&mut alternative, path, true)?;
                    rules.append(&mut alternative);
                    if rules.len() > MAX_RULES {
                        self.too_complex = true;
                        rules.truncate(1);
                    }
                }
                _ => return self.wrong("Only JSON object is allowed in array of $or relationship."),
            }
        }
        if count < 2 {
            return self.wrong("There must have at least 2 Objects in $or relationship.");
        }
        Ok(())
    }

    fn values(&mut self, rules: &mut Vec<Rule>, path: String) -> Result<()> {
        let mut matchers = Vec::new();
        loop {
            let matcher = match self.tokens.advance()? {
                Kind::EndArray => break,
                Kind::BeginObject => self.expression()?,
                Kind::Text(text) => {
                    self.tokens.ask();
                    Matcher::Text(text)
                }
                Kind::Number(text) => number(text),
                Kind::True => Matcher::Word("true"),
                Kind::False => Matcher::Word("false"),
                Kind::Null => Matcher::Word("null"),
                _ => return self.wrong("Match value must be String, number, true, false, or null"),
            };
            matchers.push(matcher);
        }
        if matchers.is_empty() {
            return self.wrong("Empty arrays are not allowed");
        }
        self.values += matchers.len();
        self.too_complex |= self.values > MAX_VALUES;
        if rules.is_empty() {
            rules.push(Rule::new());
        }
        let matchers = Arc::new(matchers);
        for rule in rules {
            rule.insert(path.clone(), Arc::clone(&matchers));
        }
        Ok(())
    }

    /// `{"prefix": …}` and its like; the brace was read.
    fn expression(&mut self) -> Result<Matcher> {
        let Kind::Name(name) = self.tokens.advance()? else {
            return self.wrong("Match expression name not found");
        };
        match name.as_str() {
            "exactly" => {
                let text = self.text("exact match pattern must be a string")?;
                self.close(Matcher::Text(text), "Only one key allowed in match expression")
            }
            "prefix" | "suffix" => self.affix(&name),
            "numeric" => {
                if self.tokens.advance()? != Kind::BeginArray {
                    return self.wrong("Value of numeric must be an array.");
                }
                let range = self.numeric()?;
                self.close(range, "Too many elements in numeric expression")
            }
            "anything-but" => self.anything_but(),
            "exists" => {
                let exists = match self.tokens.advance()? {
                    Kind::True => true,
                    Kind::False => false,
                    _ => return self.wrong("exists match pattern must be either true or false."),
                };
                self.close(Matcher::Exists(exists), "Only one key allowed in match expression")
            }
            "cidr" => {
                // The original's words.
                let text = self.text("prefix match pattern must be a string")?;
                let network = network(&text).map_err(PatternError)?;
                self.close(network, "Only one key allowed in match expression")
            }
            "equals-ignore-case" => {
                let text = self.text("equals-ignore-case match pattern must be a string")?;
                let matcher = Matcher::EqualsIgnoringCase(text.to_lowercase());
                self.close(matcher, "Only one key allowed in match expression")
            }
            "wildcard" if self.dialect == Dialect::EventBridge => {
                let text = self.text("wildcard match pattern must be a string")?;
                let matcher = match self.wildcard(&text) {
                    Ok(matcher) => matcher,
                    Err(message) => return self.wrong(&message),
                };
                self.close(matcher, "Only one key allowed in match expression")
            }
            other => {
                self.tokens.advance()?;
                // Where reading stands once the value was looked at is where it stood at the name.
                self.wrong(&format!("Unrecognized match type {other}"))
            }
        }
    }

    fn text(&mut self, otherwise: &str) -> Result<String> {
        match self.tokens.advance()? {
            Kind::Text(text) => {
                self.tokens.ask();
                Ok(text)
            }
            _ => self.wrong(otherwise),
        }
    }

    fn close(&mut self, matcher: Matcher, otherwise: &str) -> Result<Matcher> {
        if self.tokens.advance()? != Kind::EndObject {
            return self.wrong(otherwise);
        }
        Ok(matcher)
    }

    fn affix(&mut self, name: &str) -> Result<Matcher> {
        let only_one = "Only one key allowed in match expression";
        let prefix = name == "prefix";
        match self.tokens.advance()? {
            Kind::Text(text) => {
                self.tokens.ask();
                self.close(
                    if prefix {
                        Matcher::Prefix(text)
                    } else {
                        Matcher::Suffix(text)
                    },
                    only_one,
                )
            }
            Kind::BeginObject => {
                let Kind::Name(operator) = self.tokens.advance()? else {
                    let kind = if prefix { "Prefix" } else { "Suffix" };
                    return self.wrong(&format!("{kind} expression name not found"));
                };
                if operator != "equals-ignore-case" {
                    return self.wrong(&format!("Unsupported {name} pattern: {operator}"));
                }
                let text = self
                    .text("equals-ignore-case match pattern must be a string")?
                    .to_lowercase();
                let matcher = if prefix {
                    Matcher::PrefixIgnoringCase(text)
                } else {
                    Matcher::SuffixIgnoringCase(text)
                };
                let matcher = self.close(matcher, only_one)?;
                self.close(matcher, only_one)
            }
            _ => self.wrong(&format!("{name} match pattern must be a string")),
        }
    }

    fn anything_but(&mut self) -> Result<Matcher> {
        let mut kind = But::Value;
        let mut token = self.tokens.advance()?;
        if token == Kind::BeginObject {
            let Kind::Name(operator) = self.tokens.advance()? else {
                return self.wrong("Anything-But expression name not found");
            };
            kind = match (operator.as_str(), self.dialect) {
                ("prefix", _) => But::Prefix,
                ("equals-ignore-case", Dialect::EventBridge) => But::IgnoringCase,
                ("suffix", Dialect::EventBridge) => But::Suffix,
                ("wildcard", Dialect::EventBridge) => But::Wildcard,
                _ => return self.wrong(&format!("Unsupported anything-but pattern: {operator}")),
            };
            token = self.tokens.advance()?;
            if self.dialect == Dialect::Sns && !matches!(token, Kind::Text(_) | Kind::BeginArray) {
                return self.wrong("prefix match pattern must be a string");
            }
        }
        let matchers = match token {
            Kind::BeginArray => self.list_of(kind)?,
            Kind::Text(_) | Kind::Number(_) => {
                if let Kind::Text(_) = token {
                    self.tokens.ask();
                }
                match self.excluded(kind, token) {
                    Ok(matcher) => vec![matcher],
                    Err(message) => return self.wrong(&message),
                }
            }
            _ => return self.wrong("Value of anything-but must be an array or single string/number value."),
        };
        let too_many = "Too many elements in numeric expression";
        let matcher = self.close(Matcher::Not(matchers), too_many)?;
        if kind == But::Value {
            Ok(matcher)
        } else {
            self.close(matcher, too_many)
        }
    }

    fn list_of(&mut self, kind: But) -> Result<Vec<Matcher>> {
        let mut matchers = Vec::new();
        loop {
            let token = self.tokens.advance()?;
            match &token {
                Kind::EndArray => break,
                Kind::Text(_) => self.tokens.ask(),
                _ => {}
            }
            match self.excluded(kind, token) {
                Ok(matcher) => matchers.push(matcher),
                Err(message) => return self.wrong_inside(&message),
            }
        }
        let numbers = matchers
            .iter()
            .filter(|matcher| matches!(matcher, Matcher::Number(..)))
            .count();
        if kind == But::Value && (matchers.is_empty() || (numbers > 0 && numbers < matchers.len())) {
            let message =
                "Inside anything but list, either all values are number or string, mixed type is not supported";
            return self.wrong(message);
        }
        self.values += matchers.len();
        Ok(matchers)
    }

    /// One value behind `anything-but`; otherwise what is wrong with it.
    fn excluded(&mut self, kind: But, token: Kind) -> std::result::Result<Matcher, String> {
        match (kind, token) {
            (But::Value, Kind::Text(text)) => Ok(Matcher::Text(text)),
            (But::Value, Kind::Number(text)) => Ok(number(text)),
            (But::Value, _) => Err("Inside anything but list, start|null|boolean is not supported.".into()),
            (But::Prefix | But::Suffix, Kind::Text(text)) if text.is_empty() => {
                Err("Null prefix/suffix not allowed".into())
            }
            (But::Prefix, Kind::Text(text)) => Ok(Matcher::Prefix(text)),
            (But::Suffix, Kind::Text(text)) => Ok(Matcher::Suffix(text)),
            (But::IgnoringCase, Kind::Text(text)) => Ok(Matcher::EqualsIgnoringCase(text.to_lowercase())),
            (But::Wildcard, Kind::Text(text)) => self.wildcard(&text),
            (But::IgnoringCase, _) => {
                Err("Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.".into())
            }
            (But::Wildcard, _) => Err("wildcard match pattern must be a string".into()),
            (But::Prefix | But::Suffix, _) => Err("prefix/suffix match pattern must be a string".into()),
        }
    }

    fn numeric(&mut self) -> Result<Matcher> {
        let operator = match self.tokens.advance()? {
            Kind::Text(text) => {
                self.tokens.ask();
                text
            }
            other => return self.wrong(&format!("Invalid member in numeric match: {}", other.text())),
        };
        let token = self.tokens.advance()?;
        let name = match operator.as_str() {
            "=" => "equals",
            ">" | ">=" | "<" | "<=" => operator.as_str(),
            _ => return self.wrong(&format!("Unrecognized numeric range operator: {operator}")),
        };
        let Kind::Number(text) = token else {
            return self.wrong(&format!("Value of {name} must be numeric"));
        };
        let value = self.comparable(&text)?;
        let next = self.tokens.advance()?;
        let closed = operator.ends_with('=');
        match (operator.as_str(), next) {
            ("=", Kind::EndArray) => Ok(Matcher::Range(Range {
                bottom: Some((value, true)),
                top: Some((value, true)),
            })),
            ("<" | "<=", Kind::EndArray) => Ok(Matcher::Range(Range {
                bottom: None,
                top: Some((value, closed)),
            })),
            (">" | ">=", Kind::EndArray) => Ok(Matcher::Range(Range {
                bottom: Some((value, closed)),
                top: None,
            })),
            (">" | ">=", Kind::Text(second)) => {
                self.tokens.ask();
                self.upper((value, closed), &second)
            }
            (">" | ">=", other) => self.wrong(&format!("Bad value in numeric range: {}", other.text())),
            _ => self.wrong("Too many elements in numeric expression"),
        }
    }

    fn upper(&mut self, bottom: (f64, bool), operator: &str) -> Result<Matcher> {
        if !["<", "<="].contains(&operator) {
            return self.wrong(&format!("Bad numeric range operator: {operator}"));
        }
        let Kind::Number(text) = self.tokens.advance()? else {
            return self.wrong(&format!("Value of {operator} must be numeric"));
        };
        let top = self.comparable(&text)?;
        if self.tokens.advance()? != Kind::EndArray {
            return self.wrong("Too many terms in numeric range expression");
        }
        if bottom.0 >= top {
            return self.wrong("Bottom must be less than top");
        }
        Ok(Matcher::Range(Range {
            bottom: Some(bottom),
            top: Some((top, operator == "<=")),
        }))
    }

    fn comparable(&self, text: &str) -> Result<f64> {
        match worth(text) {
            Some(value) => Ok(value),
            None => self.wrong(&format!("Cannot compare number : {text}")),
        }
    }

    fn wildcard(&mut self, text: &str) -> std::result::Result<Matcher, String> {
        let mut parts = Vec::new();
        let mut chars = text.char_indices().peekable();
        let mut after_wildcard: HashMap<char, usize> = HashMap::new();
        while let Some((at, found)) = chars.next() {
            // The original counts bytes from the quote before the text.
            let at = at + 1;
            let next = chars.peek().map(|(_, next)| *next);
            match found {
                '*' if next == Some('*') => return Err(format!("Consecutive wildcard characters at pos {at}")),
                '*' => {
                    if let Some(next) = next {
                        *after_wildcard.entry(next).or_default() += 1;
                    }
                    parts.push(Glob::Any);
                }
                '\\' => match next {
                    Some(escaped @ ('*' | '\\')) => {
                        chars.next();
                        parts.push(Glob::Char(escaped));
                    }
                    _ => return Err(format!("Invalid escape character at pos {at}")),
                },
                other => parts.push(Glob::Char(other)),
            }
        }
        self.too_complex |= after_wildcard.values().any(|count| *count > MAX_REPEATED_WILDCARDS);
        Ok(Matcher::Wildcard(parts))
    }
}

/// What a number is worth, when a double holds it exactly enough to compare.
fn worth(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

fn number(text: String) -> Matcher {
    let worth = worth(&text);
    Matcher::Number(text, worth)
}

fn network(text: &str) -> std::result::Result<Matcher, String> {
    let Some((address, bits)) = text.split_once('/').filter(|(_, bits)| !bits.contains('/')) else {
        return Err("Malformed CIDR, one '/' required".into());
    };
    let bits: i64 = bits
        .parse()
        .map_err(|_| "Malformed CIDR, mask bits must be an integer")?;
    let bits = u32::try_from(bits).map_err(|_| "Malformed CIDR, mask bits must not be negative")?;
    let parsed: IpAddr = address
        .parse()
        .map_err(|_| format!("Nonstandard IP address: {address}"))?;
    match parsed {
        IpAddr::V4(_) if bits > 31 => Err("IPv4 mask bits must be < 32".into()),
        IpAddr::V6(_) if bits > 127 => Err("IPv6 mask bits must be < 128".into()),
        address => Ok(Matcher::Network { address, bits }),
    }
}

/// Words that may become operators.
const RESERVED: [&str; 23] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
];

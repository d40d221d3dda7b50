//! JSONPath as `$input.path` and `$input.json` take it: the dialect of Jayway's library, which API Gateway uses, as far as
//! mapping templates go. A definite path has one answer or none, an indefinite one a list. Source:
//! <https://github.com/json-path/JsonPath#readme>.
//!
//! Our own, because the crates for RFC 9535 know no difference between definite and indefinite paths, and read other
//! filters. Work is bounded by [`MAX_FOUND`], nesting by [`MAX_DEPTH`]; a path that cannot be read finds nothing.

use serde_json::Value;

/// Values that a path may find.
const MAX_FOUND: usize = 10_000;
/// Segments of a path, and how deep `..` goes.
const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Names(Vec<String>),
    Indexes(Vec<i64>),
    Slice(Option<i64>, Option<i64>),
    All,
    /// This and everything below.
    Descend,
    Filter(Filter),
    Length,
}

#[derive(Debug, Clone, PartialEq)]
struct Filter {
    left: Operand,
    compared: Option<(Comparison, Operand)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Path(Vec<Step>),
    Literal(Value),
}

/// What `path` finds in `root`; `None` when it finds nothing or is no path.
pub(crate) fn find(root: &Value, path: &str) -> Option<Value> {
    let steps = parse(path)?;
    let definite = steps.iter().all(|step| match step {
        Step::Names(names) => names.len() == 1,
        Step::Indexes(indexes) => indexes.len() == 1,
        Step::Length => true,
        _ => false,
    });
    let found = walk(root, &steps);
    if definite {
        found.into_iter().next()
    } else {
        Some(Value::Array(found))
    }
}

fn parse(path: &str) -> Option<Vec<Step>> {
    let path = path.trim();
    // A path may leave the root out.
    let rest = path.strip_prefix('$').or_else(|| path.strip_prefix('@'));
    let mut reader = Reader {
        text: rest.unwrap_or(path),
    };
    if rest.is_none() {
        let name = reader.name();
        let mut steps = vec![Step::Names(vec![Some(name).filter(|name| !name.is_empty())?])];
        steps.extend(reader.steps(0)?);
        return Some(steps);
    }
    reader.steps(0)
}

struct Reader<'a> {
    text: &'a str,
}

impl<'a> Reader<'a> {
    fn eat(&mut self, token: &str) -> bool {
        match self.text.strip_prefix(token) {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => false,
        }
    }

    fn name(&mut self) -> String {
        let end = self
            .text
            .find(['.', '[', ' ', ')', '=', '<', '>', '!', '('])
            .unwrap_or(self.text.len());
        let (name, rest) = self.text.split_at(end);
        self.text = rest;
        name.to_owned()
    }

    fn steps(&mut self, depth: usize) -> Option<Vec<Step>> {
        let mut steps = Vec::new();
        while !self.text.is_empty() {
            if steps.len() > MAX_DEPTH {
                return None;
            }
            if self.eat("..") {
                steps.push(Step::Descend);
                if self.eat("*") {
                    steps.push(Step::All);
                } else if !self.text.starts_with('[') {
                    let name = self.name();
                    steps.push(Step::Names(vec![Some(name).filter(|name| !name.is_empty())?]));
                }
            } else if self.eat(".") {
                if self.eat("*") {
                    steps.push(Step::All);
                    continue;
                }
                let name = self.name();
                if name == "length" && self.eat("()") {
                    steps.push(Step::Length);
                } else {
                    steps.push(Step::Names(vec![Some(name).filter(|name| !name.is_empty())?]));
                }
            } else if self.eat("[") {
                let step = self.bracket(depth)?;
                steps.push(step);
            } else if depth > 0 {
                break;
            } else {
                return None;
            }
        }
        Some(steps)
    }

    fn bracket(&mut self, depth: usize) -> Option<Step> {
        if self.eat("*]") {
            return Some(Step::All);
        }
        if self.eat("?(") {
            if depth > 4 {
                return None;
            }
            let filter = self.filter(depth)?;
            self.spaces();
            return (self.eat(")") && self.eat("]")).then_some(Step::Filter(filter));
        }
        self.spaces();
        if self.text.starts_with(['\'', '"']) {
            let mut names = Vec::new();
            loop {
                self.spaces();
                names.push(self.quoted()?);
                self.spaces();
                if self.eat("]") {
                    return Some(Step::Names(names));
                }
                if !self.eat(",") {
                    return None;
                }
            }
        }
        let (inside, rest) = self.text.split_once(']')?;
        self.text = rest;
        if let Some((from, to)) = inside.split_once(':') {
            let bound = |text: &str| match text.trim() {
                "" => Some(None),
                text => text.parse().ok().map(Some),
            };
            return Some(Step::Slice(bound(from)?, bound(to)?));
        }
        let indexes = inside
            .split(',')
            .map(|index| index.trim().parse().ok())
            .collect::<Option<_>>()?;
        Some(Step::Indexes(indexes))
    }

    fn spaces(&mut self) {
        self.text = self.text.trim_start();
    }

    fn quoted(&mut self) -> Option<String> {
        let quote = self.text.chars().next()?;
        let mut out = String::new();
        let mut escaped = false;
        for (at, c) in self.text.char_indices().skip(1) {
            match c {
                '\\' if !escaped => escaped = true,
                c if c == quote && !escaped => {
                    self.text = &self.text[at + c.len_utf8()..];
                    return Some(out);
                }
                c => {
                    escaped = false;
                    out.push(c);
                }
            }
        }
        None
    }

    fn filter(&mut self, depth: usize) -> Option<Filter> {
        let left = self.operand(depth)?;
        self.spaces();
        let comparisons = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::MoreOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::More),
        ];
        let found = comparisons.into_iter().find(|(token, _)| self.eat(token));
        let compared = match found {
            Some((_, comparison)) => Some((comparison, self.operand(depth)?)),
            None => None,
        };
        Some(Filter { left, compared })
    }

    fn operand(&mut self, depth: usize) -> Option<Operand> {
        self.spaces();
        if self.eat("@") || self.eat("$") {
            return Some(Operand::Path(self.steps(depth + 1)?));
        }
        if self.text.starts_with(['\'', '"']) {
            return Some(Operand::Literal(Value::from(self.quoted()?)));
        }
        let end = self.text.find([' ', ')']).unwrap_or(self.text.len());
        let (literal, rest) = self.text.split_at(end);
        self.text = rest;
        serde_json::from_str(literal).ok().map(Operand::Literal)
    }
}

fn walk(root: &Value, steps: &[Step]) -> Vec<Value> {
    let mut at: Vec<&Value> = vec![root];
    for step in steps {
        let mut next: Vec<&Value> = Vec::new();
        for value in at {
            if next.len() > MAX_FOUND {
                break;
            }
            match step {
                Step::Names(names) => next.extend(names.iter().filter_map(|name| value.get(name.as_str()))),
                Step::Indexes(indexes) => {
                    let Some(items) = value.as_array() else { continue };
                    next.extend(
                        indexes
                            .iter()
                            .filter_map(|index| items.get(place(*index, items.len())?)),
                    );
                }
                Step::Slice(from, to) => {
                    let Some(items) = value.as_array() else { continue };
                    let bound = |bound: i64| match usize::try_from(bound) {
                        Ok(bound) => bound.min(items.len()),
                        Err(_) => items
                            .len()
                            .saturating_sub(usize::try_from(bound.unsigned_abs()).unwrap_or(usize::MAX)),
                    };
                    let (from, to) = (from.map_or(0, bound), to.map_or(items.len(), bound));
                    next.extend(items.get(from..to).into_iter().flatten());
                }
                Step::All => match value {
                    Value::Array(items) => next.extend(items),
                    Value::Object(members) => next.extend(members.values()),
                    _ => {}
                },
                Step::Descend => descend(value, &mut next, 0),
                Step::Filter(filter) => match value {
                    Value::Array(items) => next.extend(items.iter().filter(|item| fits(filter, item))),
                    value if fits(filter, value) => next.push(value),
                    _ => {}
                },
                Step::Length => {
                    let length = match value {
                        Value::Array(items) => items.len(),
                        Value::Object(members) => members.len(),
                        Value::String(text) => text.chars().count(),
                        _ => return Vec::new(),
                    };
                    return vec![Value::from(length)];
                }
            }
        }
        next.truncate(MAX_FOUND);
        at = next;
    }
    at.into_iter().cloned().collect()
}

fn place(index: i64, length: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

fn descend<'a>(value: &'a Value, found: &mut Vec<&'a Value>, depth: usize) {
    if depth > MAX_DEPTH || found.len() > MAX_FOUND {
        return;
    }
    found.push(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| descend(item, found, depth + 1)),
        Value::Object(members) => members.values().for_each(|item| descend(item, found, depth + 1)),
        _ => {}
    }
}

fn fits(filter: &Filter, item: &Value) -> bool {
    let value = |operand: &Operand| match operand {
        Operand::Literal(value) => Some(value.clone()),
        Operand::Path(steps) => walk(item, steps).into_iter().next(),
    };
    let left = value(&filter.left);
    let Some((comparison, right)) = &filter.compared else {
        return left.is_some();
    };
    let right = value(right);
    let order = match (&left, &right) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a.as_f64().partial_cmp(&b.as_f64()),
        (Some(Value::String(a)), Some(Value::String(b))) => a.partial_cmp(b),
        (a, b) => (a == b).then_some(std::cmp::Ordering::Equal),
    };
    match comparison {
        Comparison::Equal => order.is_some_and(std::cmp::Ordering::is_eq),
        Comparison::NotEqual => !order.is_some_and(std::cmp::Ordering::is_eq),
        Comparison::Less => order.is_some_and(std::cmp::Ordering::is_lt),
        Comparison::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
        Comparison::More => order.is_some_and(std::cmp::Ordering::is_gt),
        Comparison::MoreOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn definite_paths_have_one_answer_and_others_a_list() {
        let store = json!({
            "store": { "book": [
                { "title": "A", "price": 8.95, "tags": ["x"] },
                { "title": "B", "price": 12 }
            ], "open": true },
            "odd name": 1
        });
        let found = |path| find(&store, path);
        assert_eq!(found("$"), Some(store.clone()));
        assert_eq!(found("$.store.book[0].title"), Some(json!("A")));
        assert_eq!(found("$['odd name']"), Some(json!(1)));
        assert_eq!(found("store.open"), Some(json!(true)));
        assert_eq!(found("$.store.book[-1:]"), Some(json!([{ "title": "B", "price": 12 }])));
        assert_eq!(found("$.store.book[*].title"), Some(json!(["A", "B"])));
        assert_eq!(found("$..title"), Some(json!(["A", "B"])));
        assert_eq!(found("$.store.book[?(@.price > 10)].title"), Some(json!(["B"])));
        assert_eq!(found("$.store.book[?(@.tags)].title"), Some(json!(["A"])));
        assert_eq!(found("$.store.book[?(@.title == 'A')].price"), Some(json!([8.95])));
        assert_eq!(found("$.store.book.length()"), Some(json!(2)));
        assert_eq!(found("$.store.none"), None);
        assert_eq!(found("$.store["), None);
        assert_eq!(found(""), None);
    }

    proptest::proptest! {
        #[test]
        fn no_path_panics(path in "[$@.\\[\\]'\"*?()a-c0-9:,=<>! -]{0,40}") {
            let _ = find(&json!({ "a": [{ "b": 1 }, "c"], "b": { "c": null } }), &path);
        }
    }
}

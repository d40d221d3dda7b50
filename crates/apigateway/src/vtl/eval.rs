//! Evaluates a tree.

use super::tree::{Expression, Node, Operator, Reference, Step};
use super::value::{Entries, Tool, Value};
use super::{MAX_BYTES, MAX_DEPTH, MAX_ITERATIONS, MAX_STEPS, Rendered, Scene, VtlError};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::rc::Rc;

/// One rendering.
pub(super) struct Machine<'s, 't> {
    pub scene: &'s Scene<'s>,
    variables: HashMap<String, Value>,
    macros: HashMap<&'t str, (&'t [String], &'t [Node])>,
    context: Value,
    out: String,
    steps: usize,
    bytes: usize,
    depth: usize,
    body: Option<Json>,
}

/// Where evaluation goes on.
enum Flow {
    On,
    Break,
    Stop,
}

type Done<T> = Result<T, VtlError>;

impl<'s, 't> Machine<'s, 't> {
    pub(super) fn new(scene: &'s Scene<'s>) -> Self {
        let context = Value::from_json(scene.context);
        if let Value::Map(entries) = &context {
            for name in ["requestOverride", "responseOverride"] {
                let mut entries = entries.borrow_mut();
                let own = entries.entry(name.into()).or_insert_with(empty_override);
                // One that came along may lack what is set below.
                if let Value::Map(parts) = own {
                    for part in ["header", "path", "querystring"] {
                        let parts = &mut *parts.borrow_mut();
                        parts.entry(part.into()).or_insert_with(|| Value::map(Entries::new()));
                    }
                }
            }
        }
        Self {
            scene,
            variables: HashMap::new(),
            macros: HashMap::new(),
            context,
            out: String::new(),
            steps: 0,
            bytes: 0,
            depth: 0,
            body: None,
        }
    }

    pub(super) fn run(mut self, nodes: &'t [Node]) -> Done<Rendered> {
        self.block(nodes)?;
        let overridden = |name: &str| {
            let Value::Map(entries) = &self.context else {
                return None;
            };
            let made = entries.borrow().get(name)?.to_json();
            let changed = made.as_object()?.values().any(|value| match value {
                Json::Object(members) => !members.is_empty(),
                other => !other.is_null(),
            });
            changed.then_some(made)
        };
        Ok(Rendered {
            request_override: overridden("requestOverride"),
            response_override: overridden("responseOverride"),
            text: self.out,
        })
    }

    /// Counts one evaluation.
    pub(super) fn step(&mut self) -> Done<()> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(VtlError::Bound("evaluations"));
        }
        Ok(())
    }

    /// Counts text that is made.
    pub(super) fn spend(&mut self, bytes: usize) -> Done<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MAX_BYTES {
            return Err(VtlError::Bound("text"));
        }
        // Long texts take time, too.
        self.steps += bytes / 1024;
        Ok(())
    }

    /// The value's text, counted.
    pub(super) fn show(&mut self, value: &Value) -> Done<String> {
        let text = value.show(MAX_BYTES);
        self.spend(text.len())?;
        Ok(text)
    }

    /// A text made here, counted.
    pub(super) fn made(&mut self, text: String) -> Done<Value> {
        self.spend(text.len())?;
        Ok(Value::Text(text.into()))
    }

    /// The body as JSON, parsed once; null when it is none.
    pub(super) fn body_json(&mut self) -> Json {
        let body = self.scene.body;
        self.body
            .get_or_insert_with(|| match serde_json::from_str(body) {
                Ok(json) => json,
                Err(_) if body.trim().is_empty() => Json::Object(serde_json::Map::new()),
                Err(_) => Json::Null,
            })
            .clone()
    }

    fn block(&mut self, nodes: &'t [Node]) -> Done<Flow> {
        self.depth += 1;
        if self.depth > MAX_DEPTH * 2 {
            return Err(VtlError::Bound("nesting"));
        }
        let mut flow = Flow::On;
        for node in nodes {
            flow = self.node(node)?;
            if !matches!(flow, Flow::On) {
                break;
            }
        }
        self.depth -= 1;
        Ok(flow)
    }

    fn node(&mut self, node: &'t Node) -> Done<Flow> {
        self.step()?;
        match node {
            Node::Text(text) => {
                self.spend(text.len())?;
                self.out.push_str(text);
            }
            Node::Reference(reference) => {
                let value = self.reference(reference)?;
                let text = self.show(&value)?;
                self.out.push_str(&text);
            }
            Node::Set(target, value) => {
                let value = self.expression(value)?;
                self.assign(target, value)?;
            }
            Node::If(branches, other) => {
                for (condition, body) in branches {
                    if self.expression(condition)?.is_true() {
                        return self.block(body);
                    }
                }
                return self.block(other);
            }
            Node::Foreach { name, over, body } => return self.foreach(name, over, body),
            Node::Macro { name, parameters, body } => {
                self.macros.insert(name, (parameters, body));
            }
            Node::Call {
                name,
                arguments,
                source,
            } => return self.call(name, arguments, source),
            Node::Break => return Ok(Flow::Break),
            Node::Stop => return Ok(Flow::Stop),
        }
        Ok(Flow::On)
    }

    fn foreach(&mut self, name: &'t str, over: &'t Expression, body: &'t [Node]) -> Done<Flow> {
        let items: Vec<Value> = match self.expression(over)? {
            Value::List(items) | Value::Array(items) => items.borrow().clone(),
            Value::Map(entries) => entries.borrow().values().cloned().collect(),
            _ => return Ok(Flow::On),
        };
        let outer = [name, "foreach", "velocityCount"].map(|name| (name, self.variables.remove(name)));
        let count = items.len();
        let mut flow = Flow::On;
        for (at, item) in items.into_iter().enumerate().take(MAX_ITERATIONS) {
            self.step()?;
            self.variables.insert(name.into(), item);
            let place = i64::try_from(at).unwrap_or(i64::MAX);
            let state = [
                ("index", Value::Int(place)),
                ("count", Value::Int(place + 1)),
                ("hasNext", Value::Bool(at + 1 < count)),
                ("first", Value::Bool(at == 0)),
                ("last", Value::Bool(at + 1 == count)),
            ];
            let state = state
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            self.variables.insert("foreach".into(), Value::map(state));
            self.variables.insert("velocityCount".into(), Value::Int(place + 1));
            match self.block(body)? {
                Flow::On => {}
                Flow::Break => break,
                Flow::Stop => {
                    flow = Flow::Stop;
                    break;
                }
            }
        }
        for (name, value) in outer {
            match value {
                Some(value) => self.variables.insert(name.into(), value),
                None => self.variables.remove(name),
            };
        }
        Ok(flow)
    }

    fn call(&mut self, name: &'t str, arguments: &'t [Expression], source: &'t str) -> Done<Flow> {
        let Some((parameters, body)) = self.macros.get(name).copied() else {
            self.spend(source.len())?;
            self.out.push_str(source);
            return Ok(Flow::On);
        };
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.expression(argument)?);
        }
        let mut values = values.into_iter();
        let outer: Vec<_> = parameters
            .iter()
            .map(|parameter| {
                let value = values.next().unwrap_or(Value::Null);
                (parameter, self.variables.insert(parameter.clone(), value))
            })
            .collect();
        let flow = self.block(body)?;
        for (name, value) in outer {
            match value {
                Some(value) => self.variables.insert(name.clone(), value),
                None => self.variables.remove(name),
            };
        }
        Ok(if matches!(flow, Flow::Stop) { flow } else { Flow::On })
    }

    fn root(&mut self, name: &str) -> Value {
        if let Some(value) = self.variables.get(name) {
            return value.clone();
        }
        match name {
            "input" => Value::Tool(Tool::Input),
            "util" => Value::Tool(Tool::Util),
            "context" => self.context.clone(),
            "stageVariables" => {
                let variables = self.scene.stage_variables.into_iter().flatten();
                let entries: Entries = variables
                    .map(|(name, value)| (name.clone(), Value::text(value)))
                    .collect();
                Value::map(entries)
            }
            _ => Value::Null,
        }
    }

    fn reference(&mut self, reference: &'t Reference) -> Done<Value> {
        let mut value = self.root(&reference.name);
        for step in &reference.steps {
            self.step()?;
            value = self.follow(value, step)?;
        }
        Ok(value)
    }

    fn follow(&mut self, value: Value, step: &'t Step) -> Done<Value> {
        match step {
            Step::Property(name) => self.property(&value, name),
            Step::Index(index) => {
                let index = self.expression(index)?;
                Ok(element(&value, &index))
            }
            Step::Call(name, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(self.expression(argument)?);
                }
                self.method(&value, name, &values)
            }
        }
    }

    fn property(&mut self, value: &Value, name: &str) -> Done<Value> {
        Ok(match value {
            Value::Map(entries) => {
                let found = entries.borrow().get(name).cloned();
                match (found, name) {
                    (Some(found), _) => found,
                    (None, "empty") => Value::Bool(entries.borrow().is_empty()),
                    (None, _) => Value::Null,
                }
            }
            Value::Entry(entry) => match name {
                "key" => Value::text(&entry.0),
                "value" => entry.1.clone(),
                _ => Value::Null,
            },
            Value::List(items) | Value::Array(items) if name == "empty" => Value::Bool(items.borrow().is_empty()),
            Value::Tool(Tool::Input) if name == "body" => self.input_body(),
            _ => Value::Null,
        })
    }

    fn assign(&mut self, target: &'t Reference, value: Value) -> Done<()> {
        let Some((last, steps)) = target.steps.split_last() else {
            // The context cannot be replaced as a whole, nor what has methods.
            if !matches!(target.name.as_str(), "context" | "input" | "util" | "stageVariables") {
                self.variables.insert(target.name.clone(), value);
            }
            return Ok(());
        };
        let mut at = self.root(&target.name);
        for step in steps {
            self.step()?;
            at = self.follow(at, step)?;
        }
        if value.reaches(&at, 0) {
            return Err(VtlError::Bound("a value inside itself"));
        }
        match (last, &at) {
            (Step::Property(name), Value::Map(entries)) => {
                entries.borrow_mut().insert(name.clone(), value);
            }
            (Step::Index(index), container) => {
                let index = self.expression(index)?;
                put_element(container, &index, value);
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn expression(&mut self, expression: &'t Expression) -> Done<Value> {
        self.step()?;
        Ok(match expression {
            Expression::Reference(reference) => self.reference(reference)?,
            Expression::Text(text) => {
                self.spend(text.len())?;
                Value::text(text)
            }
            Expression::Template(nodes) => {
                let outer = std::mem::take(&mut self.out);
                self.block(nodes)?;
                Value::Text(std::mem::replace(&mut self.out, outer).into())
            }
            Expression::Int(int) => Value::Int(*int),
            Expression::Float(float) => Value::Float(*float),
            Expression::Bool(bool) => Value::Bool(*bool),
            Expression::Null => Value::Null,
            Expression::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    values.push(self.expression(item)?);
                }
                Value::list(values)
            }
            Expression::Range(from, to) => {
                let (from, to) = (self.expression(from)?, self.expression(to)?);
                let (Value::Int(from), Value::Int(to)) = (from, to) else {
                    return Ok(Value::Null);
                };
                self.range(from, to)?
            }
            Expression::Map(entries) => {
                let mut values = Entries::new();
                for (key, value) in entries {
                    let key = self.expression(key)?;
                    let key = self.show(&key)?;
                    values.insert(key, self.expression(value)?);
                }
                Value::map(values)
            }
            Expression::Not(inner) => Value::Bool(!self.expression(inner)?.is_true()),
            Expression::Minus(inner) => match self.expression(inner)? {
                Value::Int(int) => Value::Int(int.wrapping_neg()),
                Value::Float(float) => Value::Float(-float),
                _ => Value::Null,
            },
            Expression::Binary(operator, left, right) => self.binary(*operator, left, right)?,
        })
    }

    fn range(&mut self, from: i64, to: i64) -> Done<Value> {
        let count = usize::try_from(from.abs_diff(to)).unwrap_or(usize::MAX);
        if count > 10 * MAX_ITERATIONS {
            return Err(VtlError::Bound("a range"));
        }
        self.spend(count)?;
        let items = if from <= to {
            (from..=to).map(Value::Int).collect()
        } else {
            (to..=from).rev().map(Value::Int).collect()
        };
        Ok(Value::list(items))
    }

    fn binary(&mut self, operator: Operator, left: &'t Expression, right: &'t Expression) -> Done<Value> {
        let left = self.expression(left)?;
        match operator {
            Operator::Or if left.is_true() => return Ok(Value::Bool(true)),
            Operator::And if !left.is_true() => return Ok(Value::Bool(false)),
            _ => {}
        }
        let right = self.expression(right)?;
        let ordered = |fits: fn(std::cmp::Ordering) -> bool| match (left.number(), right.number()) {
            (Some(a), Some(b)) => a.partial_cmp(&b).is_some_and(fits),
            _ => match (&left, &right) {
                (Value::Text(a), Value::Text(b)) => fits(a.cmp(b)),
                _ => false,
            },
        };
        Ok(match operator {
            Operator::Or | Operator::And => Value::Bool(right.is_true()),
            Operator::Equal => Value::Bool(left.equals(&right)),
            Operator::NotEqual => Value::Bool(!left.equals(&right)),
            Operator::Less => Value::Bool(ordered(std::cmp::Ordering::is_lt)),
            Operator::LessOrEqual => Value::Bool(ordered(std::cmp::Ordering::is_le)),
            Operator::More => Value::Bool(ordered(std::cmp::Ordering::is_gt)),
            Operator::MoreOrEqual => Value::Bool(ordered(std::cmp::Ordering::is_ge)),
            Operator::Plus if matches!(left, Value::Text(_)) || matches!(right, Value::Text(_)) => {
                let text = self.show(&left)? + &self.show(&right)?;
                self.made(text)?
            }
            _ => arithmetic(operator, &left, &right),
        })
    }
}

fn empty_override() -> Value {
    let part = |name: &str| (name.to_owned(), Value::map(Entries::new()));
    Value::map(["header", "path", "querystring"].into_iter().map(part).collect())
}

fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Value {
    if let (Value::Int(a), Value::Int(b)) = (left, right) {
        let result = match operator {
            Operator::Plus => a.checked_add(*b),
            Operator::Minus => a.checked_sub(*b),
            Operator::Times => a.checked_mul(*b),
            Operator::Divided => a.checked_div(*b),
            _ => a.checked_rem(*b),
        };
        return result.map_or(Value::Null, Value::Int);
    }
    let (Some(a), Some(b)) = (left.number(), right.number()) else {
        return Value::Null;
    };
    let result = match operator {
        Operator::Plus => a + b,
        Operator::Minus => a - b,
        Operator::Times => a * b,
        Operator::Divided => a / b,
        _ => a % b,
    };
    if result.is_finite() {
        Value::Float(result)
    } else {
        Value::Null
    }
}

/// `$value[index]`.
pub(super) fn element(value: &Value, index: &Value) -> Value {
    match (value, index) {
        (Value::List(items) | Value::Array(items), Value::Int(index)) => {
            let items = items.borrow();
            place(*index, items.len())
                .and_then(|at| items.get(at).cloned())
                .unwrap_or(Value::Null)
        }
        (Value::Map(entries), index) => entries.borrow().get(&index.show(1024)).cloned().unwrap_or(Value::Null),
        _ => Value::Null,
    }
}

pub(super) fn put_element(container: &Value, index: &Value, value: Value) {
    match (container, index) {
        (Value::List(items) | Value::Array(items), Value::Int(index)) => {
            let mut items = items.borrow_mut();
            if let Some(at) = place(*index, items.len())
                && let Some(slot) = items.get_mut(at)
            {
                *slot = value;
            }
        }
        (Value::Map(entries), index) => {
            entries.borrow_mut().insert(index.show(1024), value);
        }
        _ => {}
    }
}

/// A place in a list; negative ones count from its end.
fn place(index: i64, length: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

/// So that a shared list is told from another one.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::List(a) | Value::Array(a), Value::List(b) | Value::Array(b)) => Rc::ptr_eq(a, b),
        (Value::Map(a), Value::Map(b)) => Rc::ptr_eq(a, b),
        _ => false,
    }
}

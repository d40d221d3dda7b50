//! From text to a tree. The white space around directives goes as in Velocity 1.7: the rest of a line behind a
//! directive that ends it goes, and so does the indentation of `#set`.

use super::tree::{Expression, Node, Operator, Reference, Step};
use super::{MAX_DEPTH, VtlError};

pub(super) fn parse(text: &str) -> Result<Vec<Node>, VtlError> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let (nodes, _) = parser.block(&[])?;
    Ok(nodes)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

/// Operators by how tightly they bind, loosest first.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("or", Operator::Or)],
    &[("&&", Operator::And), ("and", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("eq", Operator::Equal),
        ("ne", Operator::NotEqual),
    ],
    &[
        ("<=", Operator::LessOrEqual),
        (">=", Operator::MoreOrEqual),
        ("<", Operator::Less),
        (">", Operator::More),
        ("lt", Operator::Less),
        ("le", Operator::LessOrEqual),
        ("gt", Operator::More),
        ("ge", Operator::MoreOrEqual),
    ],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[
        ("*", Operator::Times),
        ("/", Operator::Divided),
        ("%", Operator::Modulo),
    ],
];

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn wrong<T>(&self, why: &'static str) -> Result<T, VtlError> {
        Err(VtlError::Syntax { at: self.at, why })
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, VtlError>) -> Result<T, VtlError> {
        if self.depth >= MAX_DEPTH {
            return Err(VtlError::Bound("nesting"));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// What is left of the line, when it is only space.
    fn line_end(&mut self) {
        let rest = self.rest();
        let blank = rest.trim_start_matches([' ', '\t']);
        for end in ["\r\n", "\n", "\r"] {
            if blank.starts_with(end) {
                self.at += rest.len() - blank.len() + end.len();
                return;
            }
        }
    }

    /// Nodes until one of the directives in `ends`, which is eaten and named; or until the text ends.
    fn block(&mut self, ends: &[&'static str]) -> Result<(Vec<Node>, &'static str), VtlError> {
        let mut nodes = Vec::new();
        let mut plain = String::new();
        loop {
            let rest = self.rest();
            let Some(next) = rest.find(['#', '$', '\\']) else {
                plain.push_str(rest);
                self.at = self.text.len();
                push_text(&mut nodes, plain);
                if ends.is_empty() {
                    return Ok((nodes, ""));
                }
                return self.wrong("an #end is missing");
            };
            plain.push_str(&rest[..next]);
            self.at += next;
            match self.peek() {
                Some('\\') => {
                    self.at += 1;
                    // An escaped reference or directive is text.
                    match self.peek() {
                        Some(c @ ('$' | '#')) => {
                            plain.push(c);
                            self.at += 1;
                        }
                        _ => plain.push('\\'),
                    }
                }
                Some('$') => match self.reference()? {
                    Some(reference) => {
                        push_text(&mut nodes, std::mem::take(&mut plain));
                        nodes.push(Node::Reference(reference));
                    }
                    None => {
                        plain.push('$');
                        self.at += 1;
                    }
                },
                _ => {
                    if let Some(end) = self.directive_named(ends) {
                        push_text(&mut nodes, plain);
                        return Ok((nodes, end));
                    }
                    if self.comment(&mut plain) {
                        continue;
                    }
                    match self.directive(&mut plain)? {
                        Some(node) => {
                            push_text(&mut nodes, std::mem::take(&mut plain));
                            nodes.push(node);
                        }
                        None => {
                            plain.push('#');
                            self.at += 1;
                        }
                    }
                }
            }
        }
    }

    /// Eats one of these directives' names, if one stands here.
    fn directive_named(&mut self, names: &[&'static str]) -> Option<&'static str> {
        for name in names {
            let plain = format!("#{name}");
            let braced = format!("#{{{name}}}");
            let begin = self.at;
            if self.eat(&braced) {
                self.end_of_directive(name);
                return Some(name);
            }
            if self.eat(&plain) {
                // `#end-` ends; `#ended` is a word.
                if self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
                    self.at = begin;
                    continue;
                }
                self.end_of_directive(name);
                return Some(name);
            }
        }
        None
    }

    fn end_of_directive(&mut self, name: &str) {
        if matches!(name, "end" | "else") {
            self.line_end();
        }
    }

    /// Passes over a comment, or puts raw text into `plain`.
    fn comment(&mut self, plain: &mut String) -> bool {
        if self.eat("##") {
            let rest = self.rest();
            self.at += rest.find('\n').map_or(rest.len(), |end| end + 1);
        } else if self.eat("#*") {
            let rest = self.rest();
            self.at += rest.find("*#").map_or(rest.len(), |end| end + 2);
        } else if self.eat("#[[") {
            let rest = self.rest();
            let end = rest.find("]]#");
            plain.push_str(&rest[..end.unwrap_or(rest.len())]);
            self.at += end.map_or(rest.len(), |end| end + 3);
        } else {
            return false;
        }
        true
    }

    fn directive(&mut self, plain: &mut String) -> Result<Option<Node>, VtlError> {
        let begin = self.at;
        if self.directive_named(&["set"]).is_some() {
            // The space between the beginning of the line and #set belongs to it.
            let before = self.text[..begin].trim_end_matches([' ', '\t']);
            if before.is_empty() || before.ends_with('\n') {
                let kept = plain.trim_end_matches([' ', '\t']).len();
                plain.truncate(kept);
            }
            return self.deeper(Self::set).map(Some);
        }
        if self.directive_named(&["if"]).is_some() {
            return self.deeper(Self::condition).map(Some);
        }
        if self.directive_named(&["foreach"]).is_some() {
            return self.deeper(Self::foreach).map(Some);
        }
        if self.directive_named(&["macro"]).is_some() {
            return self.deeper(Self::definition).map(Some);
        }
        if self.directive_named(&["break"]).is_some() {
            return Ok(Some(Node::Break));
        }
        if self.directive_named(&["stop"]).is_some() {
            return Ok(Some(Node::Stop));
        }
        self.at = begin;
        self.call()
    }

    fn open(&mut self) -> Result<(), VtlError> {
        self.spaces();
        if self.eat("(") {
            Ok(())
        } else {
            self.wrong("a ( is missing")
        }
    }

    fn close(&mut self) -> Result<(), VtlError> {
        self.spaces();
        if self.eat(")") {
            Ok(())
        } else {
            self.wrong("a ) is missing")
        }
    }

    fn set(&mut self) -> Result<Node, VtlError> {
        self.open()?;
        self.spaces();
        let Some(target) = self.reference()? else {
            return self.wrong("#set needs a reference");
        };
        self.spaces();
        if !self.eat("=") {
            return self.wrong("an = is missing");
        }
        let value = self.expression()?;
        self.close()?;
        self.line_end();
        Ok(Node::Set(target, value))
    }

    fn condition(&mut self) -> Result<Node, VtlError> {
        let mut branches = Vec::new();
        loop {
            self.open()?;
            let condition = self.expression()?;
            self.close()?;
            self.line_end();
            let (body, end) = self.block(&["elseif", "else", "end"])?;
            branches.push((condition, body));
            match end {
                "elseif" => {}
                "else" => {
                    let (other, _) = self.block(&["end"])?;
                    return Ok(Node::If(branches, other));
                }
                _ => return Ok(Node::If(branches, Vec::new())),
            }
        }
    }

    fn foreach(&mut self) -> Result<Node, VtlError> {
        self.open()?;
        self.spaces();
        let Some(variable) = self.reference()? else {
            return self.wrong("#foreach needs a variable");
        };
        self.spaces();
        if !self.eat("in") {
            return self.wrong("an in is missing");
        }
        let over = self.expression()?;
        self.close()?;
        self.line_end();
        let (body, _) = self.block(&["end"])?;
        Ok(Node::Foreach {
            name: variable.name,
            over,
            body,
        })
    }

    fn definition(&mut self) -> Result<Node, VtlError> {
        self.open()?;
        self.spaces();
        let name = self.name();
        if name.is_empty() {
            return self.wrong("#macro needs a name");
        }
        let mut parameters = Vec::new();
        loop {
            self.spaces();
            self.eat(",");
            self.spaces();
            match self.reference()? {
                Some(parameter) => parameters.push(parameter.name),
                None => break,
            }
        }
        self.close()?;
        self.line_end();
        let (body, _) = self.block(&["end"])?;
        Ok(Node::Macro { name, parameters, body })
    }

    /// `#name(…)`, or text.
    fn call(&mut self) -> Result<Option<Node>, VtlError> {
        let begin = self.at;
        self.at += 1;
        let name = self.name();
        if name.is_empty() || self.peek() != Some('(') {
            self.at = begin;
            return Ok(None);
        }
        self.at += 1;
        let arguments = self.deeper(|parser| {
            let mut arguments = Vec::new();
            loop {
                parser.spaces();
                if parser.eat(")") {
                    return Ok(arguments);
                }
                if parser.eat(",") {
                    continue;
                }
                arguments.push(parser.expression()?);
            }
        });
        let Ok(arguments) = arguments else {
            // Not a macro's call, then: `#1 (a thing)` is text.
            self.at = begin;
            return Ok(None);
        };
        let source = self.text[begin..self.at].to_owned();
        Ok(Some(Node::Call {
            name,
            arguments,
            source,
        }))
    }

    fn name(&mut self) -> String {
        let rest = self.rest();
        if !rest.chars().next().is_some_and(is_name_start) {
            return String::new();
        }
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    /// `$name…`, `$!name…`, `${name…}`, `$!{name…}`; `None`, with nothing eaten, when there is none.
    fn reference(&mut self) -> Result<Option<Reference>, VtlError> {
        let begin = self.at;
        if !self.eat("$") {
            return Ok(None);
        }
        self.eat("!");
        let formal = self.eat("{");
        let name = self.name();
        if name.is_empty() {
            self.at = begin;
            return Ok(None);
        }
        let steps = self.deeper(|parser| parser.reference_steps())?;
        if formal && !self.eat("}") {
            self.at = begin;
            return Ok(None);
        }
        Ok(Some(Reference { name, steps }))
    }

    fn reference_steps(&mut self) -> Result<Vec<Step>, VtlError> {
        let mut steps = Vec::new();
        loop {
            let begin = self.at;
            if self.eat(".") {
                let name = self.name();
                if name.is_empty() {
                    self.at = begin;
                    return Ok(steps);
                }
                if self.eat("(") {
                    let arguments = self.arguments()?;
                    steps.push(Step::Call(name, arguments));
                } else {
                    steps.push(Step::Property(name));
                }
            } else if self.peek() == Some('[') {
                self.at += 1;
                let index = self.expression();
                self.spaces();
                match index {
                    Ok(index) if self.eat("]") => steps.push(Step::Index(index)),
                    // `$name[` may be text.
                    _ => {
                        self.at = begin;
                        return Ok(steps);
                    }
                }
            } else {
                return Ok(steps);
            }
            if steps.len() > MAX_DEPTH {
                return Err(VtlError::Bound("nesting"));
            }
        }
    }

    fn arguments(&mut self) -> Result<Vec<Expression>, VtlError> {
        let mut arguments = Vec::new();
        self.spaces();
        if self.eat(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            self.spaces();
            if self.eat(")") {
                return Ok(arguments);
            }
            if !self.eat(",") {
                return self.wrong("a , or ) is missing");
            }
        }
    }

    fn expression(&mut self) -> Result<Expression, VtlError> {
        self.deeper(|parser| parser.level(0))
    }

    fn level(&mut self, level: usize) -> Result<Expression, VtlError> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.level(level + 1)?;
        let mut chain = 0;
        loop {
            self.spaces();
            let Some(operator) = self.operator(operators) else {
                return Ok(left);
            };
            // A chain nests to the left, and what is nested is dropped and evaluated by recursion.
            chain += 1;
            if chain > MAX_DEPTH {
                return Err(VtlError::Bound("nesting"));
            }
            let right = self.level(level + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        for (token, operator) in operators {
            let begin = self.at;
            if self.eat(token) {
                let is_word = token.starts_with(|c: char| c.is_ascii_alphabetic());
                if is_word && self.peek().is_some_and(is_name) {
                    self.at = begin;
                    continue;
                }
                return Some(*operator);
            }
        }
        None
    }

    fn unary(&mut self) -> Result<Expression, VtlError> {
        self.spaces();
        let begin = self.at;
        if self.eat("!") {
            return self.deeper(|parser| Ok(Expression::Not(Box::new(parser.unary()?))));
        }
        if self.eat("not") {
            if !self.peek().is_some_and(is_name) {
                return self.deeper(|parser| Ok(Expression::Not(Box::new(parser.unary()?))));
            }
            self.at = begin;
        }
        if self.peek() == Some('-') && !self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) {
            self.at += 1;
            return self.deeper(|parser| Ok(Expression::Minus(Box::new(parser.unary()?))));
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expression, VtlError> {
        match self.peek() {
            Some('(') => {
                self.at += 1;
                let inner = self.expression()?;
                self.close()?;
                Ok(inner)
            }
            Some('$') => match self.reference()? {
                Some(reference) => Ok(Expression::Reference(reference)),
                None => self.wrong("a reference is expected"),
            },
            Some('\'') => self.single_quoted(),
            Some('"') => self.double_quoted(),
            Some('[') => self.list(),
            Some('{') => self.map(),
            Some(c) if c.is_ascii_digit() || c == '-' => self.number(),
            _ => {
                let begin = self.at;
                match self.name().as_str() {
                    "true" => Ok(Expression::Bool(true)),
                    "false" => Ok(Expression::Bool(false)),
                    "null" => Ok(Expression::Null),
                    _ => {
                        self.at = begin;
                        self.wrong("an expression is expected")
                    }
                }
            }
        }
    }

    fn single_quoted(&mut self) -> Result<Expression, VtlError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let Some(end) = rest.find('\'') else {
                return self.wrong("a ' is missing");
            };
            text.push_str(&rest[..end]);
            self.at += end + 1;
            // Two quotes are one.
            if self.eat("'") {
                text.push('\'');
            } else {
                return Ok(Expression::Text(text));
            }
        }
    }

    fn double_quoted(&mut self) -> Result<Expression, VtlError> {
        self.at += 1;
        let begin = self.at;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let Some(end) = rest.find('"') else {
                return self.wrong("a \" is missing");
            };
            text.push_str(&rest[..end]);
            self.at += end + 1;
            if self.eat("\"") {
                text.push('"');
            } else {
                break;
            }
        }
        if !text.contains(['$', '#', '\\']) {
            return Ok(Expression::Text(text));
        }
        let mut inner = Parser {
            text: &text,
            at: 0,
            depth: self.depth,
        };
        let nodes = inner.deeper(|parser| parser.block(&[]));
        match nodes {
            Ok((nodes, _)) => Ok(Expression::Template(nodes)),
            Err(VtlError::Syntax { why, .. }) => Err(VtlError::Syntax { at: begin, why }),
            Err(bound) => Err(bound),
        }
    }

    fn number(&mut self) -> Result<Expression, VtlError> {
        let rest = self.rest();
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let sign = usize::from(rest.starts_with('-'));
        let mut end = sign + digits(&rest[sign..]);
        let mut is_float = false;
        // `1..5` is a range.
        if rest[end..].starts_with('.') && rest[end + 1..].starts_with(|c: char| c.is_ascii_digit()) {
            is_float = true;
            end += 1 + digits(&rest[end + 1..]);
        }
        let number = &rest[..end];
        let parsed = if is_float {
            number.parse().ok().map(Expression::Float)
        } else {
            number.parse().ok().map(Expression::Int)
        };
        match parsed {
            Some(number) => {
                self.at += end;
                Ok(number)
            }
            None => self.wrong("a number is out of range"),
        }
    }

    fn list(&mut self) -> Result<Expression, VtlError> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.spaces();
            if self.eat("]") {
                return Ok(Expression::List(items));
            }
            let item = self.expression()?;
            self.spaces();
            if items.is_empty() && self.eat("..") {
                let to = self.expression()?;
                self.spaces();
                if !self.eat("]") {
                    return self.wrong("a ] is missing");
                }
                return Ok(Expression::Range(Box::new(item), Box::new(to)));
            }
            items.push(item);
            if !self.eat(",") && self.peek() != Some(']') {
                return self.wrong("a , or ] is missing");
            }
        }
    }

    fn map(&mut self) -> Result<Expression, VtlError> {
        self.at += 1;
        let mut entries = Vec::new();
        loop {
            self.spaces();
            if self.eat("}") {
                return Ok(Expression::Map(entries));
            }
            let key = self.expression()?;
            self.spaces();
            if !self.eat(":") {
                return self.wrong("a : is missing");
            }
            let value = self.expression()?;
            entries.push((key, value));
            self.spaces();
            if !self.eat(",") && self.peek() != Some('}') {
                return self.wrong("a , or } is missing");
            }
        }
    }
}

fn push_text(nodes: &mut Vec<Node>, text: String) {
    if !text.is_empty() {
        nodes.push(Node::Text(text));
    }
}

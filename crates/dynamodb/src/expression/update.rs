//! `UpdateExpression`: how an item changes.

use super::lexer::Tokens;
use super::path::{Path, check_disjoint};
use super::raw::{
    Dialect, OperandReader, RawCall, RawOperand, RawPath, misused, needs_path, path, reserved_word, unknown_function,
    wrong_number_of_operands, wrong_operand_type,
};
use super::{MAX_OPERATORS, Parameter, Placeholders, Projection};
use crate::{AttributeType, AttributeValue, ValidationError};

/// How an item changes. Everything that it reads is read from the item as it was before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Update {
    /// The actions, in their order; no path lies within another.
    pub actions: Vec<(Path, UpdateAction)>,
    /// Whether this was `AttributeUpdates`, which refuses values of a wrong type in words of its own.
    pub legacy: bool,
}

/// What happens at a path.
#[derive(Debug, Clone, PartialEq)]
pub enum UpdateAction {
    /// `SET path = value`
    Set(UpdateValue),
    /// `REMOVE path`
    Remove,
    /// `ADD path value`: adds to a number, or elements to a set.
    Add(AttributeValue),
    /// `DELETE path value`: takes elements from a set.
    Delete(AttributeValue),
    /// The legacy `ADD` of a list: its elements at the end. No expression says this.
    Append(Vec<AttributeValue>),
}

/// What a path is set to.
#[derive(Debug, Clone, PartialEq)]
pub enum UpdateValue {
    /// An operand.
    Operand(UpdateOperand),
    /// The sum of two numbers.
    Plus(UpdateOperand, UpdateOperand),
    /// The difference of two numbers.
    Minus(UpdateOperand, UpdateOperand),
}

/// Something that has a value.
#[derive(Debug, Clone, PartialEq)]
pub enum UpdateOperand {
    /// What the item has there; the update fails when it has nothing.
    Path(Path),
    /// A value of the request.
    Value(AttributeValue),
    /// `if_not_exists(path, operand)`
    IfNotExists(Path, Box<UpdateOperand>),
    /// `list_append(first, second)`
    ListAppend(Box<UpdateOperand>, Box<UpdateOperand>),
}

impl UpdateOperand {
    /// Its value's type, if it is one of the request's.
    fn fixed_type(&self) -> Option<AttributeType> {
        match self {
            Self::Value(value) => Some(value.kind()),
            _ => None,
        }
    }

    fn each_path<'u>(&'u self, visit: &mut impl FnMut(&'u Path)) {
        match self {
            Self::Path(path) => visit(path),
            Self::Value(_) => {}
            Self::IfNotExists(path, operand) => {
                visit(path);
                operand.each_path(visit);
            }
            Self::ListAppend(first, second) => {
                first.each_path(visit);
                second.each_path(visit);
            }
        }
    }
}

impl Update {
    /// Reads an `UpdateExpression`.
    ///
    /// # Errors
    /// DynamoDB's message for what is wrong with it.
    pub fn parse(text: &str, placeholders: &mut Placeholders<'_>) -> Result<Self, ValidationError> {
        Parameter::Update.read(text, |text| check(&parse(text)?, placeholders))
    }

    /// The paths that it writes, in its order.
    pub fn targets(&self) -> impl Iterator<Item = &Path> {
        self.actions.iter().map(|(path, _)| path)
    }

    /// The written paths as a projection, for `UPDATED_OLD` and `UPDATED_NEW`.
    pub fn touched(&self) -> Projection {
        Projection::of_paths(self.targets().cloned().collect())
    }

    /// Calls `visit` with every path that it reads.
    pub fn each_source<'u>(&'u self, visit: &mut impl FnMut(&'u Path)) {
        for (_, action) in &self.actions {
            match action {
                UpdateAction::Set(UpdateValue::Operand(operand)) => operand.each_path(visit),
                UpdateAction::Set(UpdateValue::Plus(left, right) | UpdateValue::Minus(left, right)) => {
                    left.each_path(visit);
                    right.each_path(visit);
                }
                _ => {}
            }
        }
    }
}

/// The sections of an update, in no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Set,
    Remove,
    Add,
    Delete,
}

impl Section {
    const ALL: [Self; 4] = [Self::Set, Self::Remove, Self::Add, Self::Delete];

    fn name(self) -> &'static str {
        match self {
            Self::Set => "SET",
            Self::Remove => "REMOVE",
            Self::Add => "ADD",
            Self::Delete => "DELETE",
        }
    }
}

/// One action as it is written.
struct RawAction<'t> {
    path: RawPath<'t>,
    section: Section,
    value: RawValue<'t>,
}

enum RawValue<'t> {
    None,
    Operand(RawOperand<'t>),
    Plus(RawOperand<'t>, RawOperand<'t>),
    Minus(RawOperand<'t>, RawOperand<'t>),
}

impl<'t> RawValue<'t> {
    fn operands(&self) -> impl Iterator<Item = &RawOperand<'t>> {
        let (first, second) = match self {
            Self::None => (None, None),
            Self::Operand(operand) => (Some(operand), None),
            Self::Plus(left, right) | Self::Minus(left, right) => (Some(left), Some(right)),
        };
        first.into_iter().chain(second)
    }
}

const DIALECT: Dialect = Dialect {
    keywords: &["SET", "REMOVE", "ADD", "DELETE"],
    grouped_paths: false,
};

/// The actions of an update, and its sections in their order.
type RawUpdate<'t> = (Vec<RawAction<'t>>, Vec<Section>);

fn parse(text: &str) -> Result<RawUpdate<'_>, ValidationError> {
    let mut tokens = Tokens::new(text);
    let (mut actions, mut sections) = (Vec::new(), Vec::new());
    let mut operators = 0;
    loop {
        let section = Section::ALL.into_iter().find(|section| tokens.eat_word(section.name()));
        let Some(section) = section else {
            return Err(tokens.unexpected());
        };
        sections.push(section);
        loop {
            let action = action(&mut tokens, section)?;
            operators += usize::from(matches!(action.value, RawValue::Plus(..) | RawValue::Minus(..)));
            actions.push(action);
            if !tokens.eat(",") {
                break;
            }
        }
        if tokens.end().is_ok() {
            break;
        }
    }
    if operators > MAX_OPERATORS {
        return Err(ValidationError::new(format!(
            "The expression contains too many operators; operator count: {operators}"
        )));
    }
    Ok((actions, sections))
}

fn action<'t>(tokens: &mut Tokens<'t>, section: Section) -> Result<RawAction<'t>, ValidationError> {
    let token = tokens.peek();
    if Section::ALL.iter().any(|section| token.is_word(section.name())) {
        return Err(tokens.unexpected());
    }
    let path = path(tokens)?;
    let value = match section {
        Section::Set => {
            tokens.expect("=")?;
            set_value(tokens)?
        }
        Section::Remove => RawValue::None,
        Section::Add | Section::Delete => {
            if tokens.peek().kind != super::lexer::Kind::Value {
                return Err(tokens.unexpected());
            }
            RawValue::Operand(RawOperand::Value(tokens.next().text))
        }
    };
    Ok(RawAction { path, section, value })
}

/// An operand, or the sum or difference of two; the whole may stand in parentheses.
fn set_value<'t>(tokens: &mut Tokens<'t>) -> Result<RawValue<'t>, ValidationError> {
    let grouped = encloses_sum(tokens);
    if grouped {
        tokens.next();
    }
    let left = operand(tokens)?;
    let value = if tokens.eat("+") {
        RawValue::Plus(left, operand(tokens)?)
    } else if tokens.eat("-") {
        RawValue::Minus(left, operand(tokens)?)
    } else {
        RawValue::Operand(left)
    };
    if grouped {
        tokens.expect(")")?;
    }
    Ok(value)
}

/// Whether the next token opens parentheses around a sum, and not just around an operand.
fn encloses_sum(tokens: &Tokens<'_>) -> bool {
    if !tokens.peek().is("(") {
        return false;
    }
    let mut depth = 0usize;
    for position in tokens.position()..tokens.len() {
        let token = tokens.token_at(position);
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            depth -= 1;
            if depth == 0 {
                return false;
            }
        } else if depth == 1 && (token.is("+") || token.is("-")) {
            return true;
        }
    }
    false
}

fn operand<'t>(tokens: &mut Tokens<'t>) -> Result<RawOperand<'t>, ValidationError> {
    let mut reader = OperandReader {
        tokens,
        dialect: &DIALECT,
        redundant: false,
    };
    let operand = reader.operand(0)?;
    if reader.redundant {
        return Err(ValidationError::new("The expression has redundant parentheses;"));
    }
    Ok(operand)
}

/// Checks an update in the service's order and fills in its placeholders.
fn check((actions, sections): &RawUpdate<'_>, placeholders: &mut Placeholders<'_>) -> Result<Update, ValidationError> {
    let operands = || actions.iter().flat_map(|action| action.value.operands());
    let mut names = actions.iter().flat_map(|action| {
        let in_value = action.value.operands().find_map(RawOperand::reserved);
        action.path.reserved().into_iter().chain(in_value)
    });
    if let Some(name) = names.next() {
        return Err(reserved_word(name));
    }
    for operand in operands() {
        operand.each_call(&mut |call| match call.name {
            "if_not_exists" | "list_append" => Ok(()),
            name => Err(unknown_function(name)),
        })?;
    }
    for (at, section) in sections.iter().enumerate() {
        if sections[..at].contains(section) {
            let name = section.name();
            return Err(ValidationError::new(format!(
                "The \"{name}\" section can only be used once in an update expression;"
            )));
        }
    }
    let mut filled = Vec::with_capacity(actions.len());
    for action in actions {
        let path = placeholders.path(&action.path)?;
        let operands = action.value.operands().map(|operand| fill(operand, placeholders));
        filled.push((path, operands.collect::<Result<Vec<_>, _>>()?));
    }
    check_disjoint(filled.iter().map(|(path, _)| path))?;
    let mut update = Update::default();
    for (raw, (path, operands)) in actions.iter().zip(filled) {
        update.actions.push((path, finish(raw, operands)?));
    }
    Ok(update)
}

/// An operand without placeholders whose functions are not checked yet.
enum Filled<'t> {
    Operand(UpdateOperand),
    Call(&'t str, Vec<Filled<'t>>),
}

fn fill<'t>(raw: &RawOperand<'t>, placeholders: &mut Placeholders<'_>) -> Result<Filled<'t>, ValidationError> {
    Ok(match raw {
        RawOperand::Path(path) => Filled::Operand(UpdateOperand::Path(placeholders.path(path)?)),
        RawOperand::Value(name) => Filled::Operand(UpdateOperand::Value(placeholders.value(name)?.clone())),
        RawOperand::Call(RawCall { name, arguments }) => {
            let arguments = arguments.iter().map(|argument| fill(argument, placeholders));
            Filled::Call(name, arguments.collect::<Result<_, _>>()?)
        }
    })
}

fn finish(raw: &RawAction<'_>, operands: Vec<Filled<'_>>) -> Result<UpdateAction, ValidationError> {
    let mut operands = operands.into_iter();
    let mut next = || {
        operands
            .next()
            .map_or_else(|| Err(ValidationError::new("Syntax error")), Filled::operand)
    };
    let number = |operator: &str, operand: UpdateOperand| match operand.fixed_type() {
        None | Some(AttributeType::N) => Ok(operand),
        Some(kind) => Err(wrong_operand_type(operator, kind.name())),
    };
    Ok(match (raw.section, &raw.value) {
        (Section::Set, RawValue::Plus(..)) => {
            UpdateAction::Set(UpdateValue::Plus(number("+", next()?)?, number("+", next()?)?))
        }
        (Section::Set, RawValue::Minus(..)) => {
            UpdateAction::Set(UpdateValue::Minus(number("-", next()?)?, number("-", next()?)?))
        }
        (Section::Set, _) => UpdateAction::Set(UpdateValue::Operand(next()?)),
        (Section::Remove, _) => UpdateAction::Remove,
        (section @ (Section::Add | Section::Delete), _) => match next()? {
            UpdateOperand::Value(value) => in_place(section, value)?,
            // The parser takes nothing else there.
            _ => return Err(ValidationError::new("Syntax error")),
        },
    })
}

/// `ADD` or `DELETE` of a value, if it has a type for that.
fn in_place(section: Section, value: AttributeValue) -> Result<UpdateAction, ValidationError> {
    let long_name = match value.kind() {
        AttributeType::S => "STRING",
        AttributeType::N => "NUMBER",
        AttributeType::B => "BINARY",
        AttributeType::Bool => "BOOLEAN",
        AttributeType::Null => "NULL",
        AttributeType::M => "MAP",
        AttributeType::L => "LIST",
        AttributeType::Ss | AttributeType::Ns | AttributeType::Bs => "",
    };
    match (section, value) {
        (Section::Add, value @ AttributeValue::N(_)) => Ok(UpdateAction::Add(value)),
        (Section::Add, value) if long_name.is_empty() => Ok(UpdateAction::Add(value)),
        (_, value) if long_name.is_empty() => Ok(UpdateAction::Delete(value)),
        (section, _) => Err(ValidationError::new(format!(
            "Incorrect operand type for operator or function; operator: {}, operand type: {long_name}",
            section.name()
        ))),
    }
}

impl Filled<'_> {
    fn operand(self) -> Result<UpdateOperand, ValidationError> {
        let (name, arguments) = match self {
            Self::Operand(operand) => return Ok(operand),
            Self::Call(name, arguments) => (name, arguments),
        };
        let count = arguments.len();
        let [first, second]: [Self; 2] = arguments
            .try_into()
            .map_err(|_| wrong_number_of_operands(name, count))?;
        if name == "if_not_exists" {
            return match first {
                Self::Operand(UpdateOperand::Path(path)) => {
                    Ok(UpdateOperand::IfNotExists(path, Box::new(second.operand()?)))
                }
                _ => Err(needs_path(name)),
            };
        }
        let list = |argument: Self| match argument {
            Self::Call("list_append", _) => Err(misused("list_append")),
            argument => {
                let operand = argument.operand()?;
                match operand.fixed_type() {
                    None | Some(AttributeType::L) => Ok(Box::new(operand)),
                    Some(kind) => Err(wrong_operand_type(name, kind.name())),
                }
            }
        };
        Ok(UpdateOperand::ListAppend(list(first)?, list(second)?))
    }
}

//! Expressions as they are written, before placeholders are filled in; and the parts of the grammar that all share.

use super::lexer::{Kind, Tokens};
use super::reserved::is_reserved;
use crate::ValidationError;

/// The most functions within one another that are read; those that may nest at all nest two deep.
const MAX_CALL_DEPTH: usize = 16;

/// One step of a path.
#[derive(Debug, Clone, Copy)]
pub(super) enum RawStep<'t> {
    Name(&'t str),
    Placeholder(&'t str),
    Index(usize),
}

/// A document path.
#[derive(Debug)]
pub(super) struct RawPath<'t> {
    pub root: RawStep<'t>,
    pub steps: Vec<RawStep<'t>>,
}

impl<'t> RawPath<'t> {
    /// The first name in it that may not be written.
    pub fn reserved(&self) -> Option<&'t str> {
        std::iter::once(&self.root)
            .chain(&self.steps)
            .find_map(|step| match step {
                RawStep::Name(name) if is_reserved(name) => Some(*name),
                _ => None,
            })
    }
}

/// Something that has a value.
#[derive(Debug)]
pub(super) enum RawOperand<'t> {
    Path(RawPath<'t>),
    Value(&'t str),
    Call(RawCall<'t>),
}

/// A function and what it is given.
#[derive(Debug)]
pub(super) struct RawCall<'t> {
    pub name: &'t str,
    pub arguments: Vec<RawOperand<'t>>,
}

impl<'t> RawOperand<'t> {
    /// Calls `visit` on every function call, outer ones first.
    pub fn each_call<E>(&self, visit: &mut impl FnMut(&RawCall<'t>) -> Result<(), E>) -> Result<(), E> {
        let Self::Call(call) = self else { return Ok(()) };
        visit(call)?;
        call.arguments.iter().try_for_each(|argument| argument.each_call(visit))
    }

    /// The first name in it that may not be written.
    pub fn reserved(&self) -> Option<&'t str> {
        match self {
            Self::Path(path) => path.reserved(),
            Self::Value(_) => None,
            Self::Call(call) => call.arguments.iter().find_map(Self::reserved),
        }
    }
}

/// How the grammars of conditions and updates differ.
pub(super) struct Dialect {
    /// Words that cannot begin an operand.
    pub keywords: &'static [&'static str],
    /// Whether `(a.b).c` is a path.
    pub grouped_paths: bool,
}

/// Reads operands.
pub(super) struct OperandReader<'s, 't> {
    pub tokens: &'s mut Tokens<'t>,
    pub dialect: &'static Dialect,
    /// Whether parentheses were found directly within parentheses.
    pub redundant: bool,
}

impl<'t> OperandReader<'_, 't> {
    /// A path, a value's placeholder or a function call, in any number of parentheses.
    pub fn operand(&mut self, depth: usize) -> Result<RawOperand<'t>, ValidationError> {
        let mut open = 0usize;
        while self.tokens.eat("(") {
            open += 1;
        }
        let mut operand = self.bare(depth)?;
        let mut extended = true;
        for _ in 0..open {
            self.tokens.expect(")")?;
            self.redundant |= !extended;
            extended = false;
            if let RawOperand::Path(path) = &mut operand
                && self.dialect.grouped_paths
            {
                let length = path.steps.len();
                steps(self.tokens, &mut path.steps)?;
                extended = path.steps.len() > length;
            }
        }
        Ok(operand)
    }

    fn bare(&mut self, depth: usize) -> Result<RawOperand<'t>, ValidationError> {
        let token = self.tokens.peek();
        match token.kind {
            Kind::Value => Ok(RawOperand::Value(self.tokens.next().text)),
            Kind::Word if self.dialect.keywords.iter().any(|keyword| token.is_word(keyword)) => {
                Err(self.tokens.unexpected())
            }
            Kind::Word if self.tokens.peek_second().is("(") => self.call(depth).map(RawOperand::Call),
            _ => path(self.tokens).map(RawOperand::Path),
        }
    }

    fn call(&mut self, depth: usize) -> Result<RawCall<'t>, ValidationError> {
        let name = self.tokens.next().text;
        self.tokens.expect("(")?;
        if depth == MAX_CALL_DEPTH {
            return Err(misused(name));
        }
        let mut arguments = vec![self.operand(depth + 1)?];
        while self.tokens.eat(",") {
            arguments.push(self.operand(depth + 1)?);
        }
        self.tokens.expect(")")?;
        Ok(RawCall { name, arguments })
    }
}

/// A path: a name, and steps behind it.
pub(super) fn path<'t>(tokens: &mut Tokens<'t>) -> Result<RawPath<'t>, ValidationError> {
    let root = name(tokens)?;
    let mut path = RawPath {
        root,
        steps: Vec::new(),
    };
    steps(tokens, &mut path.steps)?;
    Ok(path)
}

fn name<'t>(tokens: &mut Tokens<'t>) -> Result<RawStep<'t>, ValidationError> {
    match tokens.peek().kind {
        Kind::Word => Ok(RawStep::Name(tokens.next().text)),
        Kind::Name => Ok(RawStep::Placeholder(tokens.next().text)),
        _ => Err(tokens.unexpected()),
    }
}

fn steps<'t>(tokens: &mut Tokens<'t>, steps: &mut Vec<RawStep<'t>>) -> Result<(), ValidationError> {
    loop {
        if tokens.eat(".") {
            steps.push(name(tokens)?);
        } else if tokens.eat("[") {
            if tokens.peek().kind != Kind::Digits {
                return Err(tokens.unexpected());
            }
            let digits = tokens.next().text;
            tokens.expect("]")?;
            steps.push(RawStep::Index(index(digits)?));
        } else {
            return Ok(());
        }
    }
}

fn index(digits: &str) -> Result<usize, ValidationError> {
    /// No list of an item is as long.
    const MAX_INDEX: usize = 1_000_000;
    digits.parse().ok().filter(|index| *index <= MAX_INDEX).ok_or_else(|| {
        ValidationError::new(format!(
            "List index is not within the allowable range; index: [{digits}]"
        ))
    })
}

pub(super) fn misused(name: &str) -> ValidationError {
    ValidationError::new(format!(
        "The function is not allowed to be used this way in an expression; function: {name}"
    ))
}

pub(super) fn unknown_function(name: &str) -> ValidationError {
    ValidationError::new(format!("Invalid function name; function: {name}"))
}

pub(super) fn reserved_word(name: &str) -> ValidationError {
    ValidationError::new(format!(
        "Attribute name is a reserved keyword; reserved keyword: {name}"
    ))
}

pub(super) fn wrong_number_of_operands(name: &str, count: usize) -> ValidationError {
    ValidationError::new(format!(
        "Incorrect number of operands for operator or function; \
         operator or function: {name}, number of operands: {count}"
    ))
}

pub(super) fn wrong_operand_type(name: &str, kind: &str) -> ValidationError {
    ValidationError::new(format!(
        "Incorrect operand type for operator or function; operator or function: {name}, operand type: {kind}"
    ))
}

pub(super) fn needs_path(name: &str) -> ValidationError {
    ValidationError::new(format!(
        "Operator or function requires a document path; operator or function: {name}"
    ))
}

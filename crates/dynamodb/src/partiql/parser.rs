//! The grammar of statements.

use super::lexer::{Token, not_well_formed, tokens};
use super::statement::{Returning, Select, Statement};
use crate::expression::{
    Comparator, Condition, Operand, Path, Step, Update, UpdateAction, UpdateOperand, UpdateValue, between, comparison,
};
use crate::{AttributeType, AttributeValue, ValidationError};

/// The most conditions within one another.
const MAX_NESTING: usize = 64;
/// The most candidates of `IN`, as for partition keys.
const MAX_CANDIDATES: usize = 100;

/// Reads statements.
pub(super) struct Parser<'s> {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token<'s>>>,
    parameters: std::slice::Iter<'s, AttributeValue>,
}

/// Reads a statement and fills in its parameters.
///
/// # Errors
/// DynamoDB's message when it is not well formed, or has more or fewer parameters than it asks for.
pub(super) fn parse(text: &str, parameters: &[AttributeValue]) -> Result<Statement, ValidationError> {
    let mut parser = Parser {
        tokens: tokens(text)?.into_iter().peekable(),
        parameters: parameters.iter(),
    };
    let statement = parser.statement()?;
    parser.eat(";");
    if parser.peek() != &Token::End {
        return Err(not_well_formed("Unexpected token after expression"));
    }
    if parser.parameters.next().is_some() {
        return Err(wrong_number_of_parameters());
    }
    Ok(statement)
}

fn wrong_number_of_parameters() -> ValidationError {
    ValidationError::new("Number of parameters in request and statement don't match.")
}

fn unexpected() -> ValidationError {
    not_well_formed("Unexpected token")
}

impl<'s> Parser<'s> {
    fn peek(&mut self) -> &Token<'s> {
        self.tokens.peek().unwrap_or(&Token::End)
    }

    pub(super) fn next(&mut self) -> Token<'s> {
        self.tokens.next().unwrap_or(Token::End)
    }

    pub(super) fn eat(&mut self, symbol: &'static str) -> bool {
        self.tokens.next_if_eq(&Token::Symbol(symbol)).is_some()
    }

    pub(super) fn expect(&mut self, symbol: &'static str) -> Result<(), ValidationError> {
        if self.eat(symbol) { Ok(()) } else { Err(unexpected()) }
    }

    fn at_word(&mut self, keyword: &str) -> bool {
        matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn eat_word(&mut self, keyword: &str) -> bool {
        let found = self.at_word(keyword);
        if found {
            self.next();
        }
        found
    }

    fn expect_word(&mut self, keyword: &str) -> Result<(), ValidationError> {
        if self.eat_word(keyword) {
            Ok(())
        } else {
            Err(unexpected())
        }
    }

    /// What the next `?` stands for.
    pub(super) fn parameter(&mut self) -> Result<AttributeValue, ValidationError> {
        self.parameters.next().cloned().ok_or_else(wrong_number_of_parameters)
    }

    fn statement(&mut self) -> Result<Statement, ValidationError> {
        if self.eat_word("SELECT") {
            return self.select().map(Statement::Select);
        }
        if self.eat_word("EXISTS") {
            self.expect("(")?;
            self.expect_word("SELECT")?;
            let select = self.select()?;
            self.expect(")")?;
            return Ok(Statement::Exists(select));
        }
        if self.eat_word("INSERT") {
            self.expect_word("INTO")?;
            let table = self.table()?;
            if !self.eat_word("VALUE") {
                return Err(not_well_formed("Unexpected token after expression"));
            }
            let item = self.item()?;
            return Ok(Statement::Insert { table, item });
        }
        if self.eat_word("UPDATE") {
            return self.update();
        }
        if self.eat_word("DELETE") {
            self.expect_word("FROM")?;
            let table = self.table()?;
            self.refuse_alias(&["WHERE", "RETURNING"])?;
            let condition = self.where_clause()?;
            let returning = self.returning()?;
            return match returning {
                Some(returning) if returning.modified || returning.new => Err(ValidationError::new(format!(
                    "Invalid returning clause: {returning}. Only RETURNING ALL OLD * is allowed in DELETE statements."
                ))),
                returning => Ok(Statement::Delete {
                    table,
                    condition,
                    returning,
                }),
            };
        }
        Err(not_well_formed("Expected identifier for simple path"))
    }

    fn select(&mut self) -> Result<Select, ValidationError> {
        let mut attributes = Vec::new();
        if !self.eat("*") {
            loop {
                attributes.push(self.path()?);
                if self.at_word("AS") {
                    return Err(aliased());
                }
                if !self.eat(",") {
                    break;
                }
            }
        }
        self.expect_word("FROM")?;
        let mut components = vec![self.component()?];
        while self.eat(".") {
            components.push(self.component()?);
        }
        if components.len() > 2 {
            return Err(ValidationError::new(
                "A path may contain at most 2 components in the FROM clause",
            ));
        }
        if components.iter().any(String::is_empty) {
            return Err(ValidationError::new("Path component cannot be an empty string"));
        }
        let mut components = components.into_iter();
        let (table, index) = (components.next().unwrap_or_default(), components.next());
        self.refuse_alias(&["WHERE", "ORDER"])?;
        let condition = self.where_clause()?;
        let mut order = Vec::new();
        if self.eat_word("ORDER") {
            self.expect_word("BY")?;
            loop {
                let attribute = self.path()?;
                let descending = self.eat_word("DESC");
                if !descending {
                    self.eat_word("ASC");
                }
                order.push((attribute.root().to_owned(), descending));
                if !self.eat(",") {
                    break;
                }
            }
        }
        Ok(Select {
            attributes,
            table,
            index,
            condition,
            order,
        })
    }

    fn update(&mut self) -> Result<Statement, ValidationError> {
        let table = self.table()?;
        self.refuse_alias(&["SET", "REMOVE"])?;
        let mut update = Update::default();
        loop {
            if self.eat_word("SET") {
                loop {
                    let path = self.path()?;
                    self.expect("=")?;
                    let action = self.set_value(&path)?;
                    update.actions.push((path, action));
                    if !self.eat(",") {
                        break;
                    }
                }
            } else if self.eat_word("REMOVE") {
                loop {
                    let path = self.path()?;
                    update.actions.push((path, UpdateAction::Remove));
                    if !self.eat(",") {
                        break;
                    }
                }
            } else {
                break;
            }
        }
        if update.actions.is_empty() {
            return Err(unexpected());
        }
        crate::expression::check_disjoint(update.targets())?;
        let condition = self.where_clause()?;
        let returning = self.returning()?;
        Ok(Statement::Update {
            table,
            update,
            condition,
            returning,
        })
    }

    /// The table of a write, which has no index.
    fn table(&mut self) -> Result<String, ValidationError> {
        let table = self.component()?;
        if table.is_empty() {
            return Err(ValidationError::new("Path component cannot be an empty string"));
        }
        Ok(table)
    }

    fn component(&mut self) -> Result<String, ValidationError> {
        match self.next() {
            Token::Word(name) => Ok(name.to_owned()),
            Token::Name(name) => Ok(name.into_owned()),
            _ => Err(not_well_formed("Expected identifier for simple path")),
        }
    }

    /// Refuses a name behind the table's that is not one of the clauses that may follow.
    fn refuse_alias(&mut self, clauses: &[&str]) -> Result<(), ValidationError> {
        let aliased_here = match self.peek() {
            Token::Word(word) => !clauses.iter().any(|clause| word.eq_ignore_ascii_case(clause)),
            Token::Name(_) => true,
            _ => false,
        };
        if aliased_here { Err(aliased()) } else { Ok(()) }
    }

    fn where_clause(&mut self) -> Result<Option<Condition>, ValidationError> {
        if self.eat_word("WHERE") {
            self.alternatives(0).map(Some)
        } else {
            Ok(None)
        }
    }

    fn returning(&mut self) -> Result<Option<Returning>, ValidationError> {
        if !self.eat_word("RETURNING") {
            return Ok(None);
        }
        let modified = self.eat_word("MODIFIED");
        if !modified {
            self.expect_word("ALL")?;
        }
        let new = self.eat_word("NEW");
        if !new {
            self.expect_word("OLD")?;
        }
        self.expect("*")?;
        Ok(Some(Returning { modified, new }))
    }

    /// `… OR …`
    fn alternatives(&mut self, depth: usize) -> Result<Condition, ValidationError> {
        if depth > MAX_NESTING {
            return Err(not_well_formed("The expression is nested too deeply"));
        }
        let mut conditions = vec![self.conjuncts(depth)?];
        while self.eat_word("OR") {
            conditions.push(self.conjuncts(depth)?);
        }
        Ok(if conditions.len() > 1 {
            Condition::Or(conditions)
        } else {
            conditions.remove(0)
        })
    }

    /// `… AND …`
    fn conjuncts(&mut self, depth: usize) -> Result<Condition, ValidationError> {
        let mut conditions = vec![self.negation(depth)?];
        while self.eat_word("AND") {
            conditions.push(self.negation(depth)?);
        }
        Ok(if conditions.len() > 1 {
            Condition::And(conditions)
        } else {
            conditions.remove(0)
        })
    }

    fn negation(&mut self, depth: usize) -> Result<Condition, ValidationError> {
        let mut negations = 0usize;
        while self.eat_word("NOT") {
            negations += 1;
        }
        let condition = if self.eat("(") {
            let condition = self.alternatives(depth + 1)?;
            self.expect(")")?;
            condition
        } else {
            self.simple()?
        };
        Ok(if negations % 2 == 1 {
            Condition::Not(Box::new(condition))
        } else {
            condition
        })
    }

    /// A comparison or a function.
    fn simple(&mut self) -> Result<Condition, ValidationError> {
        if let Token::Word(name) = *self.peek()
            && let Some(function) = Function::from_name(name)
        {
            return self.function(function);
        }
        let operand = self.operand()?;
        if let Token::Symbol(symbol) = *self.peek() {
            let symbol = if symbol == "!=" { "<>" } else { symbol };
            let comparator = Comparator::from_symbol(symbol).ok_or_else(unexpected)?;
            self.next();
            return comparison(operand, comparator, self.operand()?);
        }
        if self.eat_word("BETWEEN") {
            let low = self.operand()?;
            self.expect_word("AND")?;
            return between(operand, low, self.operand()?);
        }
        if self.eat_word("IN") {
            return self.candidates(operand);
        }
        self.expect_word("IS")?;
        let negated = self.eat_word("NOT");
        let condition = match (self.eat_word("MISSING"), operand) {
            (true, Operand::Path(path)) => Condition::NotExists(path),
            (true, _) => return Err(unexpected()),
            (false, operand) => {
                self.expect_word("NULL")?;
                Condition::Type(operand, AttributeType::Null)
            }
        };
        Ok(if negated {
            Condition::Not(Box::new(condition))
        } else {
            condition
        })
    }

    /// `IN [a, b]` or `IN (a, b)`
    fn candidates(&mut self, operand: Operand) -> Result<Condition, ValidationError> {
        let end = if self.eat("[") {
            "]"
        } else {
            self.expect("(")?;
            ")"
        };
        let mut candidates = Vec::new();
        loop {
            candidates.push(self.operand()?);
            if self.eat(end) {
                break;
            }
            self.expect(",")?;
        }
        if candidates.len() > MAX_CANDIDATES {
            let count = candidates.len();
            return Err(ValidationError::new(format!(
                "The IN operator is provided with too many operands; number of operands: {count}"
            )));
        }
        Ok(Condition::In(operand, candidates))
    }

    fn function(&mut self, function: Function) -> Result<Condition, ValidationError> {
        self.next();
        self.expect("(")?;
        let first = self.operand()?;
        let path = |operand| match operand {
            Operand::Path(path) => Ok(path),
            _ => Err(unexpected()),
        };
        let condition = match function {
            Function::Exists => Condition::Exists(path(first)?),
            Function::NotExists => Condition::NotExists(path(first)?),
            Function::BeginsWith => {
                self.expect(",")?;
                Condition::BeginsWith(first, self.operand()?)
            }
            Function::Contains => {
                self.expect(",")?;
                Condition::Contains(first, self.operand()?)
            }
            Function::Type => {
                self.expect(",")?;
                let kind = match self.value()? {
                    AttributeValue::S(name) => AttributeType::from_name(&name),
                    _ => None,
                };
                let invalid = || ValidationError::new("Invalid attribute type name found");
                Condition::Type(first, kind.ok_or_else(invalid)?)
            }
        };
        self.expect(")")?;
        Ok(condition)
    }

    /// A path, `size(path)`, or a value.
    fn operand(&mut self) -> Result<Operand, ValidationError> {
        match self.peek() {
            Token::Word(word)
                if ["true", "false", "null"]
                    .iter()
                    .any(|known| word.eq_ignore_ascii_case(known)) =>
            {
                self.value().map(Operand::Value)
            }
            Token::Word(_) | Token::Name(_) => {
                let path = self.path()?;
                if path.steps().is_empty() && path.root().eq_ignore_ascii_case("size") && self.eat("(") {
                    let path = self.path()?;
                    self.expect(")")?;
                    return Ok(Operand::Size(Box::new(Operand::Path(path))));
                }
                Ok(Operand::Path(path))
            }
            _ => self.value().map(Operand::Value),
        }
    }

    fn path(&mut self) -> Result<Path, ValidationError> {
        let root = match self.next() {
            Token::Word(name) => name.to_owned(),
            Token::Name(name) => name.into_owned(),
            _ => return Err(unexpected()),
        };
        let mut steps = Vec::new();
        loop {
            if self.eat(".") {
                match self.next() {
                    Token::Word(name) => steps.push(Step::Field(name.to_owned())),
                    Token::Name(name) => steps.push(Step::Field(name.into_owned())),
                    _ => return Err(unexpected()),
                }
            } else if self.eat("[") {
                match self.next() {
                    Token::Number(digits) => {
                        steps.push(Step::Index(digits.parse().map_err(|_| unexpected())?));
                    }
                    Token::Text(name) => steps.push(Step::Field(name.into_owned())),
                    _ => return Err(unexpected()),
                }
                self.expect("]")?;
            } else {
                return Path::new(root, steps);
            }
        }
    }

    /// What `SET path =` sets: an operand, a sum, or a function.
    fn set_value(&mut self, target: &Path) -> Result<UpdateAction, ValidationError> {
        if let Token::Word(name) = *self.peek() {
            for (known, adds) in [("set_add", true), ("set_delete", false)] {
                if name.eq_ignore_ascii_case(known) {
                    self.next();
                    return self.set_function(target, known, adds);
                }
            }
        }
        let left = self.update_operand()?;
        let value = if self.eat("+") {
            UpdateValue::Plus(left, self.update_operand()?)
        } else if self.eat("-") {
            UpdateValue::Minus(left, self.update_operand()?)
        } else {
            UpdateValue::Operand(left)
        };
        Ok(UpdateAction::Set(value))
    }

    fn set_function(&mut self, target: &Path, name: &str, adds: bool) -> Result<UpdateAction, ValidationError> {
        self.expect("(")?;
        let path = self.path()?;
        self.expect(",")?;
        let value = self.value()?;
        self.expect(")")?;
        if path != *target {
            return Err(ValidationError::new(format!(
                "The first argument of {name} must be the attribute that is set"
            )));
        }
        match value {
            value @ (AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_)) => Ok(if adds {
                UpdateAction::Add(value)
            } else {
                UpdateAction::Delete(value)
            }),
            other => Err(ValidationError::new(format!(
                "Incorrect operand type for operator or function; operator or function: {name}, operand type: {}",
                other.kind().name()
            ))),
        }
    }

    fn update_operand(&mut self) -> Result<UpdateOperand, ValidationError> {
        let Token::Word(name) = *self.peek() else {
            return self.plain_operand();
        };
        if name.eq_ignore_ascii_case("list_append") {
            self.next();
            self.expect("(")?;
            let first = self.plain_operand()?;
            self.expect(",")?;
            let second = self.plain_operand()?;
            self.expect(")")?;
            return Ok(UpdateOperand::ListAppend(Box::new(first), Box::new(second)));
        }
        if name.eq_ignore_ascii_case("if_not_exists") {
            self.next();
            self.expect("(")?;
            let path = self.path()?;
            self.expect(",")?;
            let otherwise = self.plain_operand()?;
            self.expect(")")?;
            return Ok(UpdateOperand::IfNotExists(path, Box::new(otherwise)));
        }
        self.plain_operand()
    }

    fn plain_operand(&mut self) -> Result<UpdateOperand, ValidationError> {
        match self.operand()? {
            Operand::Path(path) => Ok(UpdateOperand::Path(path)),
            Operand::Value(value) => Ok(UpdateOperand::Value(value)),
            Operand::Size(_) => Err(unexpected()),
        }
    }
}

fn aliased() -> ValidationError {
    ValidationError::new("Aliasing is not supported")
}

/// A function that is a condition.
#[derive(Debug, Clone, Copy)]
enum Function {
    Exists,
    NotExists,
    BeginsWith,
    Contains,
    Type,
}

impl Function {
    fn from_name(name: &str) -> Option<Self> {
        let known = [
            ("attribute_exists", Self::Exists),
            ("attribute_not_exists", Self::NotExists),
            ("begins_with", Self::BeginsWith),
            ("contains", Self::Contains),
            ("attribute_type", Self::Type),
        ];
        known
            .into_iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known))
            .map(|(_, function)| function)
    }
}

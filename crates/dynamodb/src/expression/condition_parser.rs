//! The grammar of conditions.

use super::lexer::{Kind, Tokens};
use super::raw::{Dialect, OperandReader, RawCall, RawOperand};
use super::{Comparator, MAX_OPERATORS};
use crate::ValidationError;

/// A condition as it is written.
#[derive(Debug)]
pub(super) enum RawCondition<'t> {
    And(Vec<RawCondition<'t>>),
    Or(Vec<RawCondition<'t>>),
    Not(Box<RawCondition<'t>>),
    Compare(RawOperand<'t>, Comparator, RawOperand<'t>),
    Between(RawOperand<'t>, RawOperand<'t>, RawOperand<'t>),
    In(RawOperand<'t>, Vec<RawOperand<'t>>),
    Call(RawCall<'t>),
}

const DIALECT: Dialect = Dialect {
    keywords: &["AND", "OR", "NOT", "BETWEEN", "IN"],
    grouped_paths: true,
};

/// Reads a whole condition.
pub(super) fn parse(text: &str) -> Result<RawCondition<'_>, ValidationError> {
    let tokens = Tokens::new(text);
    let mut parser = Parser {
        closing: closing_parentheses(&tokens),
        tokens,
        groups: vec![Group::default()],
        operators: 0,
        redundant: false,
    };
    let condition = parser.run()?;
    if parser.redundant {
        return Err(ValidationError::new("The expression has redundant parentheses;"));
    }
    Ok(condition)
}

/// For each token that is an opening parenthesis, the place of the one that closes it.
fn closing_parentheses(tokens: &Tokens<'_>) -> Vec<Option<usize>> {
    let mut closing = vec![None; tokens.len()];
    let mut open = Vec::new();
    for position in 0..tokens.len() {
        let token = tokens.token_at(position);
        if token.is("(") {
            open.push(position);
        } else if token.is(")")
            && let Some(opening) = open.pop()
        {
            closing[opening] = Some(position);
        }
    }
    closing
}

/// What has been read between two parentheses, so far.
#[derive(Default)]
struct Group<'t> {
    alternatives: Vec<RawCondition<'t>>,
    conjuncts: Vec<RawCondition<'t>>,
    negations: usize,
    /// Whether the last conjunct is in parentheses and has nothing before it.
    starts_with_group: bool,
}

impl<'t> Group<'t> {
    fn add(&mut self, condition: RawCondition<'t>) {
        let odd = self.negations % 2 == 1;
        self.negations = 0;
        self.conjuncts.push(if odd {
            RawCondition::Not(Box::new(condition))
        } else {
            condition
        });
    }

    fn end_alternative(&mut self) {
        let mut conjuncts = std::mem::take(&mut self.conjuncts);
        let alternative = match conjuncts.len() {
            1 => conjuncts.remove(0),
            _ => RawCondition::And(conjuncts),
        };
        self.alternatives.push(alternative);
    }

    fn finish(mut self) -> RawCondition<'t> {
        self.end_alternative();
        match self.alternatives.len() {
            1 => self.alternatives.remove(0),
            _ => RawCondition::Or(self.alternatives),
        }
    }
}

struct Parser<'t> {
    tokens: Tokens<'t>,
    closing: Vec<Option<usize>>,
    /// The groups that are open, outermost first; never empty.
    groups: Vec<Group<'t>>,
    operators: usize,
    redundant: bool,
}

impl<'t> Parser<'t> {
    fn run(&mut self) -> Result<RawCondition<'t>, ValidationError> {
        loop {
            if self.tokens.eat_word("NOT") {
                self.count_operator()?;
                self.group().negations += 1;
            } else if self.at_group() {
                self.tokens.next();
                self.groups.push(Group::default());
            } else {
                let condition = self.simple()?;
                self.group().add(condition);
                if let Some(whole) = self.after_condition()? {
                    return Ok(whole);
                }
            }
        }
    }

    fn group(&mut self) -> &mut Group<'t> {
        if self.groups.is_empty() {
            self.groups.push(Group::default());
        }
        let last = self.groups.len() - 1;
        &mut self.groups[last]
    }

    /// What follows a condition: an operator, the end of its group, or the end, which gives the whole condition.
    fn after_condition(&mut self) -> Result<Option<RawCondition<'t>>, ValidationError> {
        loop {
            if self.tokens.eat_word("AND") {
                self.count_operator()?;
                self.group().starts_with_group = false;
                return Ok(None);
            }
            if self.tokens.eat_word("OR") {
                self.count_operator()?;
                self.group().starts_with_group = false;
                self.group().end_alternative();
                return Ok(None);
            }
            if self.groups.len() > 1 {
                self.tokens.expect(")")?;
                self.close_group();
            } else {
                self.tokens.end()?;
                return Ok(self.groups.pop().map(Group::finish));
            }
        }
    }

    fn close_group(&mut self) {
        let Some(group) = self.groups.pop() else { return };
        self.redundant |= group.starts_with_group;
        let condition = group.finish();
        let nested = self.groups.len() > 1;
        let outer = self.group();
        let alone = outer.alternatives.is_empty() && outer.conjuncts.is_empty() && outer.negations == 0;
        outer.starts_with_group = alone && nested;
        outer.add(condition);
    }

    /// Whether the next token opens a group of conditions, and not just the parentheses around an operand: then what
    /// follows the closing one would go on with the operand.
    fn at_group(&self) -> bool {
        if !self.tokens.peek().is("(") {
            return false;
        }
        let Some(closing) = self.closing[self.tokens.position()] else {
            return true;
        };
        let after = self.tokens.token_at(closing + 1);
        match after.kind {
            Kind::Symbol => Comparator::from_symbol(after.text).is_none() && !matches!(after.text, "." | "["),
            Kind::Word => !after.is_word("BETWEEN") && !after.is_word("IN"),
            _ => true,
        }
    }

    fn count_operator(&mut self) -> Result<(), ValidationError> {
        self.operators += 1;
        if self.operators <= MAX_OPERATORS {
            return Ok(());
        }
        let count = self.operators;
        Err(ValidationError::new(format!(
            "The expression contains too many operators; operator count: {count}"
        )))
    }

    fn operand(&mut self) -> Result<RawOperand<'t>, ValidationError> {
        let mut reader = OperandReader {
            tokens: &mut self.tokens,
            dialect: &DIALECT,
            redundant: false,
        };
        let operand = reader.operand(0)?;
        self.redundant |= reader.redundant;
        Ok(operand)
    }

    /// A comparison, `BETWEEN`, `IN`, or a function.
    fn simple(&mut self) -> Result<RawCondition<'t>, ValidationError> {
        let left = self.operand()?;
        if let Some(comparator) = Comparator::from_symbol(self.tokens.peek().text) {
            self.tokens.next();
            self.count_operator()?;
            return Ok(RawCondition::Compare(left, comparator, self.operand()?));
        }
        if self.tokens.eat_word("BETWEEN") {
            self.count_operator()?;
            let low = self.operand()?;
            if !self.tokens.eat_word("AND") {
                return Err(self.tokens.unexpected());
            }
            return Ok(RawCondition::Between(left, low, self.operand()?));
        }
        if self.tokens.eat_word("IN") {
            self.count_operator()?;
            self.tokens.expect("(")?;
            let mut candidates = vec![self.operand()?];
            while self.tokens.eat(",") {
                candidates.push(self.operand()?);
            }
            self.tokens.expect(")")?;
            return Ok(RawCondition::In(left, candidates));
        }
        match left {
            RawOperand::Call(call) => Ok(RawCondition::Call(call)),
            _ => Err(self.tokens.unexpected()),
        }
    }
}

//! A query, taken apart.

use super::value::Value;

/// `SELECT … FROM S3Object… WHERE … LIMIT …`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    pub(super) select: Select,
    /// Where in each document the records are.
    pub(super) from: Vec<Step>,
    pub(super) filter: Option<Expr>,
    pub(super) limit: Option<u64>,
    /// How many aggregates the select list has.
    pub(super) aggregates: Vec<Aggregate>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Select {
    /// `*`.
    All,
    Items(Vec<Item>),
}

/// One column of the result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub(super) expr: Expr,
    pub(super) name: Option<String>,
}

/// One step of a path into a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// A name; its case counts when it was in quotes.
    Key {
        name: String,
        exact: bool,
    },
    Index(usize),
    /// Every element.
    Each,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    Literal(Value),
    /// The record, or what lies below it.
    Path(Vec<Step>),
    /// A column of a CSV record, by its place.
    Column(usize),
    /// The value of an aggregate, by its place in [`Query::aggregates`].
    Aggregate(usize),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Is {
        of: Box<Expr>,
        what: Absence,
        not: bool,
    },
    Between {
        of: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        not: bool,
    },
    In {
        of: Box<Expr>,
        list: Vec<Expr>,
        not: bool,
    },
    Like {
        of: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
        not: bool,
    },
    Case {
        of: Option<Box<Expr>>,
        arms: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Cast(Box<Expr>, Type),
    Call(Function, Vec<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    Null,
    Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Concat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Integer,
    Float,
    Text,
    Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Coalesce,
    NullIf,
    CharLength,
    Lower,
    Upper,
    Substring,
    /// Characters, text.
    TrimLeading,
    TrimTrailing,
    TrimBoth,
    DateAdd(Part),
    DateDiff(Part),
    Extract(Part),
    ToString,
    ToTimestamp,
    UtcNow,
    Size,
}

/// A part of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// A function over all records. `of` is nothing for `COUNT(*)`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Aggregate {
    pub(super) kind: AggregateKind,
    pub(super) of: Option<Expr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AggregateKind {
    Count,
    Sum,
    Average,
    Least,
    Greatest,
}

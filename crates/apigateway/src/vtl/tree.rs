//! What a template is made of.

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    Reference(Reference),
    Set(Reference, Expression),
    /// Each condition with what it leads to, and what else.
    If(Vec<(Expression, Vec<Node>)>, Vec<Node>),
    Foreach {
        name: String,
        over: Expression,
        body: Vec<Node>,
    },
    /// The definition of a macro.
    Macro {
        name: String,
        parameters: Vec<String>,
        body: Vec<Node>,
    },
    /// The call of a macro.
    Call {
        name: String,
        arguments: Vec<Expression>,
        /// What stands there when there is no such macro.
        source: String,
    },
    Break,
    Stop,
}

/// `$name.property.method(…)[index]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reference {
    pub name: String,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Property(String),
    Call(String, Vec<Expression>),
    Index(Expression),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Reference(Reference),
    Text(String),
    /// A text in double quotes, evaluated like a template.
    Template(Vec<Node>),
    Int(i64),
    Float(f64),
    Bool(bool),
    Null,
    List(Vec<Expression>),
    Range(Box<Expression>, Box<Expression>),
    Map(Vec<(Expression, Expression)>),
    Not(Box<Expression>),
    Minus(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    Plus,
    Minus,
    Times,
    Divided,
    Modulo,
}

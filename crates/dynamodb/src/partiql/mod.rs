//! PartiQL: SQL-like statements as the same conditions, updates and writes that expressions are read into.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html>.
//! `text` is a statement as it came, read once; `lexer` and `parser` read it, with its parameters filled in, into a
//! [`statement::Statement`]; `select` plans
//! a SELECT as reads of partitions or a scan; `change` makes a write of an INSERT, UPDATE or DELETE; `operations` are
//! ExecuteStatement, BatchExecuteStatement and ExecuteTransaction.

pub(crate) mod access;
mod change;
mod lexer;
pub(crate) mod operations;
mod parser;
mod select;
mod statement;
mod text;
mod values;

pub use text::StatementText;

/// Whether `text` is a statement without parameters.
#[cfg(feature = "fuzzing")]
pub(crate) fn is_statement(text: &str) -> bool {
    parser::parse(text, &[]).is_ok()
}

#[cfg(test)]
mod tests;

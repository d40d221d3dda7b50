//! What a statement says.

use crate::Item;
use crate::expression::{Condition, Path, Update};

/// A statement with its parameters filled in.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Statement {
    Select(Select),
    /// `EXISTS (SELECT …)`, a condition of a transaction.
    Exists(Select),
    Insert {
        table: String,
        item: Item,
    },
    Update {
        table: String,
        update: Update,
        condition: Option<Condition>,
        returning: Option<Returning>,
    },
    Delete {
        table: String,
        condition: Option<Condition>,
        returning: Option<Returning>,
    },
}

/// `SELECT attributes FROM table.index WHERE condition ORDER BY order`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Select {
    /// What is answered; everything when empty.
    pub attributes: Vec<Path>,
    pub table: String,
    pub index: Option<String>,
    pub condition: Option<Condition>,
    /// Attributes, and whether the larger come first.
    pub order: Vec<(String, bool)>,
}

/// `RETURNING …`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Returning {
    /// Only what was written, and not the whole item.
    pub modified: bool,
    /// The item after the write, and not before it.
    pub new: bool,
}

impl std::fmt::Display for Returning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let extent = if self.modified { "MODIFIED" } else { "ALL" };
        let side = if self.new { "NEW" } else { "OLD" };
        write!(f, "RETURNING {extent} {side} *")
    }
}

impl Statement {
    /// The table that it names, and the index.
    pub fn target(&self) -> (&str, Option<&str>) {
        match self {
            Self::Select(select) | Self::Exists(select) => (&select.table, select.index.as_deref()),
            Self::Insert { table, .. } | Self::Update { table, .. } | Self::Delete { table, .. } => (table, None),
        }
    }

    /// The action of IAM that it is.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Select(_) | Self::Exists(_) => "dynamodb:PartiQLSelect",
            Self::Insert { .. } => "dynamodb:PartiQLInsert",
            Self::Update { .. } => "dynamodb:PartiQLUpdate",
            Self::Delete { .. } => "dynamodb:PartiQLDelete",
        }
    }

    /// Whether it only reads.
    pub fn reads(&self) -> bool {
        matches!(self, Self::Select(_))
    }

    /// Its RETURNING clause.
    pub fn returning(&self) -> Option<Returning> {
        match self {
            Self::Update { returning, .. } | Self::Delete { returning, .. } => *returning,
            _ => None,
        }
    }
}

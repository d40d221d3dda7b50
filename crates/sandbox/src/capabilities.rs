//! What this machine lets a sandbox have, found out by trying, in words for `danbi doctor`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Isolation;

/// The mechanisms without which no foreign code is run.
const REQUIRED: [&str; 2] = ["namespaces", "seccomp"];

/// One mechanism of isolation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mechanism {
    /// What it is called: "user namespaces", "memory limit", …
    pub name: String,
    /// Whether it works here and now.
    pub available: bool,
    /// How it is done, or why it is not possible.
    pub detail: String,
    /// What to do about it, and what follows as long as it is missing; empty when available.
    pub advice: String,
}

/// The report of all mechanisms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// What the launcher runs under.
    pub isolation: Isolation,
    /// Whether [`Isolation::Namespaces`] is possible.
    pub namespaces: bool,
    /// Whether [`crate::Network::Egress`] is possible. Where it is not, such a sandbox has loopback only.
    pub egress: bool,
    /// Whether a memory limit is kept for the tree as a whole.
    pub memory_limit: bool,
    /// Every mechanism, in the order a person would ask.
    pub mechanisms: Vec<Mechanism>,
}

impl Capabilities {
    /// Why [`Isolation::Namespaces`] is not possible, and what to do about it.
    pub fn refusal(&self) -> String {
        let needed = |mechanism: &&Mechanism| REQUIRED.contains(&mechanism.name.as_str()) && !mechanism.available;
        let lines: Vec<String> = self
            .mechanisms
            .iter()
            .filter(needed)
            .map(|mechanism| format!("{}: {} ({})", mechanism.name, mechanism.detail, mechanism.advice))
            .collect();
        if lines.is_empty() {
            "nothing is missing".to_owned()
        } else {
            lines.join("; ")
        }
    }

    pub(crate) fn add(&mut self, name: &str, found: Result<String, (String, &str)>) {
        let (available, detail, advice) = match found {
            Ok(detail) => (true, detail, String::new()),
            Err((why, advice)) => (false, why, advice.to_owned()),
        };
        self.mechanisms.push(Mechanism {
            name: name.to_owned(),
            available,
            detail,
            advice,
        });
    }
}

/// One line a mechanism.
impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mechanism in &self.mechanisms {
            let mark = if mechanism.available { "ok     " } else { "MISSING" };
            write!(f, "{mark} {:<18} {}", mechanism.name, mechanism.detail)?;
            if !mechanism.advice.is_empty() {
                write!(f, " — {}", mechanism.advice)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

//! What a verb says when it cannot do its work: what failed, why, and what to do next.

use danbi_deploy::DeployError;
use serde_json::json;
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// Why a verb ends without having done its work.
#[derive(Debug)]
pub struct Failure(Box<Parts>);

#[derive(Debug)]
struct Parts {
    what: String,
    why: String,
    next: String,
    output: String,
    usage: bool,
    code: Option<String>,
}

impl Failure {
    /// `what` failed because of `why`.
    pub fn new(what: impl Display, why: impl Display) -> Self {
        Self(Box::new(Parts {
            what: what.to_string(),
            why: why.to_string(),
            next: String::new(),
            output: String::new(),
            usage: false,
            code: None,
        }))
    }

    /// The command line asks for what cannot be: exit code 2.
    pub fn usage(what: impl Display, why: impl Display) -> Self {
        let mut failure = Self::new(what, why);
        failure.0.usage = true;
        failure
    }

    /// What the user can do about it.
    #[must_use]
    pub fn next(mut self, next: impl Display) -> Self {
        self.0.next = next.to_string();
        self
    }

    /// What a tool or the app printed, shown after the reason.
    #[must_use]
    pub fn output(mut self, output: impl Into<String>) -> Self {
        self.0.output = output.into();
        self
    }

    /// The error code that the platform gave.
    #[must_use]
    pub fn code(mut self, code: Option<String>) -> Self {
        self.0.code = code;
        self
    }

    /// AWS's error code, when the platform refused.
    pub fn error_code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Whether the platform refused with this error code.
    pub fn is(&self, code: &str) -> bool {
        self.error_code() == Some(code)
    }

    /// Says it on standard error.
    pub fn show(&self, json: bool) {
        let mut err = std::io::stderr().lock();
        // When standard error is gone, the exit code still tells.
        let _ = if json {
            let Parts {
                what,
                why,
                next,
                output,
                code,
                ..
            } = &*self.0;
            writeln!(
                err,
                "{}",
                json!({"error": {"what": what, "why": why, "next": next, "output": output, "code": code}})
            )
        } else {
            self.write(&mut err)
        };
    }

    fn write(&self, err: &mut impl Write) -> std::io::Result<()> {
        writeln!(err, "error: {}", self.0.what)?;
        if !self.0.why.is_empty() {
            writeln!(err, "  why: {}", self.0.why)?;
        }
        for line in self.0.output.trim_end().lines() {
            writeln!(err, "    | {line}")?;
        }
        if !self.0.next.is_empty() {
            writeln!(err, " next: {}", self.0.next)?;
        }
        Ok(())
    }

    /// 2 for wrong usage, else 1.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.0.usage { 2 } else { 1 })
    }
}

impl From<DeployError> for Failure {
    fn from(error: DeployError) -> Self {
        Self::new("cannot package the app", &error)
            .next(error.advice())
            .output(tail(error.output(), 30))
    }
}

/// The last `lines` lines.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

//! Where a verb's words go: standard output for what was asked, standard error for progress.

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// Standard output as text or as JSON, with progress on standard error when that is a terminal.
#[derive(Debug, Clone)]
pub struct Output {
    json: bool,
    bar: ProgressBar,
}

impl Output {
    /// Progress is shown only to a person: not with `--json`, not into a pipe, not in CI.
    pub fn new(json: bool) -> Self {
        let person = !json && std::io::stderr().is_terminal() && std::env::var_os("CI").is_none();
        let bar = if person {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        Self { json, bar }
    }

    /// Whether one JSON document is wanted.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// A line for people; nothing with `--json`.
    pub fn line(&self, text: impl Display) {
        if !self.json {
            self.bar.suspend(|| say(&text.to_string()));
        }
    }

    /// The JSON document; nothing without `--json`.
    pub fn document(&self, value: &impl Serialize) {
        if self.json {
            // Values here have text keys, which is all that serialisation to JSON can stumble over.
            say(&serde_json::to_string_pretty(value).unwrap_or_default());
        }
    }

    /// One JSON document a line, for verbs that go on; without `--json` the text.
    pub fn event(&self, value: &impl Serialize, text: impl Display) {
        if self.json {
            say(&serde_json::to_string(value).unwrap_or_default());
        } else {
            self.line(text);
        }
    }

    /// Worth knowing, on standard error.
    pub fn warn(&self, text: impl Display) {
        self.bar.suspend(|| {
            // When standard error is gone nobody can be warned.
            let _ = writeln!(std::io::stderr(), "warning: {text}");
        });
    }

    /// A step that takes time begins.
    pub fn step(&self, text: impl Into<String>) {
        self.bar.set_style(ProgressStyle::default_spinner());
        self.bar.enable_steady_tick(TICK);
        self.bar.set_message(text.into());
    }

    /// A bar over `bytes`, in place of the spinner; with 0 bytes, whose number nobody knows, it only counts.
    pub fn bar(&self, doing: &str, bytes: u64) -> ProgressBar {
        // Everything before the reset, which draws: a bar of the step before would flash up.
        self.bar.set_message(doing.to_owned());
        self.bar.set_length(bytes);
        let template = match bytes {
            0 => "  {msg} {bytes} {bytes_per_sec}",
            _ => "  {msg} {bar:32} {bytes}/{total_bytes} {bytes_per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.reset();
        self.bar.clone()
    }

    /// Takes progress off the screen.
    pub fn done(&self) {
        self.bar.finish_and_clear();
    }
}

impl danbi_deploy::Progress for Output {
    fn step(&self, what: &str) {
        Self::step(self, what);
    }
}

/// A closed pipe (`danbi logs | head`) ends the program as it ends any other, without a panic.
fn say(text: &str) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Bytes for people: `1.2 MB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

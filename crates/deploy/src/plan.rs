use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// What a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A Django project, served by gunicorn (WSGI) or uvicorn (ASGI).
    Django,
    /// A Flask app or another WSGI app, served by gunicorn.
    Flask,
    /// A FastAPI, Starlette or other ASGI app, served by uvicorn.
    Fastapi,
    /// A Node server: a package.json with a start script (Express, Next, …).
    Node,
    /// A Lambda handler in Python.
    PythonHandler,
    /// A Lambda handler in JavaScript.
    NodeHandler,
    /// A Rust program.
    Rust,
    /// A Go program.
    Go,
    /// Files served as they are.
    Static,
    /// A program that is built already.
    Executable,
    /// Any HTTP server, by the command that starts it.
    Command,
}

impl Kind {
    /// For people: `a Flask app`.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Django => "a Django project",
            Self::Flask => "a Flask (WSGI) app",
            Self::Fastapi => "a FastAPI (ASGI) app",
            Self::Node => "a Node server",
            Self::PythonHandler => "a Lambda handler in Python",
            Self::NodeHandler => "a Lambda handler in JavaScript",
            Self::Rust => "a Rust program",
            Self::Go => "a Go program",
            Self::Static => "a static site",
            Self::Executable => "an executable",
            Self::Command => "an HTTP server",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())
    }
}

/// How the deployed app answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Serving {
    /// The runtime calls a function: `file.function`.
    Handler {
        /// The Lambda handler string.
        handler: String,
    },
    /// A process that listens on `$PORT`.
    Server {
        /// The shell command, run in the package's root.
        command: String,
        /// Requests that one environment takes at once.
        concurrency: u32,
    },
    /// Files of this folder of the package, without any process.
    Static {
        /// Relative to the package's root; `.` for all of it.
        folder: String,
    },
    /// An executable named `bootstrap` that speaks the Lambda Runtime API.
    Bootstrap,
}

/// How dependencies and build results come into the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "with", rename_all = "kebab-case")]
pub enum Build {
    /// The files are taken as they are.
    Nothing,
    /// pip installs into the package.
    Pip {
        /// Arguments that say what to install: `-r requirements.txt`, or requirements.
        requirements: Vec<String>,
        /// Servers that the app needs and does not name itself.
        added: Vec<String>,
    },
    /// npm installs in a copy of the folder; `script` is run when the app has a build step.
    Npm {
        /// The npm script to run before development dependencies are taken out again.
        script: Option<String>,
    },
    /// cargo builds the binary of this name.
    Cargo {
        /// The binary.
        binary: String,
        /// The name that it gets in the package.
        target: String,
    },
    /// go builds the main package.
    Go {
        /// The name that the binary gets in the package.
        target: String,
    },
}

/// What a folder is, why, and what will be done with it.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The folder, absolute.
    pub folder: PathBuf,
    /// The app's name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// What was seen that says so, one fact each.
    pub because: Vec<String>,
    /// The Lambda runtime.
    pub runtime: String,
    /// How it answers.
    pub serving: Serving,
    /// How it is built.
    pub build: Build,
    /// Things worth knowing that stop nothing.
    pub warnings: Vec<String>,
}

/// What Lambda has to be told beside the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionSettings {
    /// The Lambda runtime.
    pub runtime: String,
    /// The Lambda handler; a fixed word for kinds that have none.
    pub handler: String,
    /// MiB.
    pub memory: u32,
    /// Seconds.
    pub timeout: u32,
    /// MiB.
    pub storage: u32,
    /// Environment variables, with those by which Danbi knows an HTTP server or a static site.
    pub environment: BTreeMap<String, String>,
    /// At most 256 characters.
    pub description: String,
}

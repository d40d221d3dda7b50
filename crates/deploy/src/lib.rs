//! Looks at a folder, says what it is and why it thinks so, and packages it: from any of Express, Next, Flask, FastAPI,
//! Django, a Lambda handler, a static site, a Rust or Go program, or an executable, to the zip and the settings that
//! Lambda takes.
//!
//! It promises that the app's folder is only read, that every file left out has its reason, that secrets stay out unless
//! they are named, and that the same files give the same bytes. It never talks to a platform and never executes the
//! app's own code, except for the build steps that the app itself declares.

mod archive;
mod build;
mod config;
mod detect;
mod error;
mod imports;
mod package;
mod plan;
mod progress;
mod rules;
mod run;
mod select;
mod toolchain;

pub use config::{Config, FILE_NAMES, check_name, schema};
pub use detect::{app_name, inspect};
pub use error::DeployError;
pub use imports::MissingModule;
pub use package::{Group, Package, Report, package};
pub use plan::{Build, FunctionSettings, Kind, Plan, Serving};
pub use progress::{Progress, Silent};
pub use rules::Reason;
pub use select::{LeftOut, Selected, Selection, select};

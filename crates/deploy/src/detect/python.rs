//! Python: Django, Flask and other WSGI apps, FastAPI and other ASGI apps, Lambda handlers.

use super::{Found, SERVER_CONCURRENCY, poetry, source};
use crate::plan::{Build, Kind, Serving};
use crate::{Config, DeployError, toolchain};
use std::fs;
use std::path::Path;

/// Threads of a WSGI server, and so the requests that one environment takes at once.
const WSGI_THREADS: u32 = 16;
/// Files that are looked into first for an app object.
const APP_FILES: [&str; 8] = [
    "app.py",
    "main.py",
    "wsgi.py",
    "asgi.py",
    "application.py",
    "server.py",
    "api.py",
    "run.py",
];
const HANDLER_FILES: [&str; 5] = ["lambda_function.py", "handler.py", "index.py", "main.py", "app.py"];
const HANDLER_NAMES: [&str; 3] = ["lambda_handler", "handler", "main"];
/// Python files that are looked into, at most.
const MAX_LOOKED_INTO: usize = 200;

/// What pip has to install.
pub(super) struct Requirements {
    /// The file that says so.
    pub(super) file: &'static str,
    /// pip's arguments.
    pub(super) arguments: Vec<String>,
    /// Names in lower case, to see what is there already.
    names: Vec<String>,
}

/// Reads requirements.txt, else pyproject.toml.
pub(super) fn requirements(folder: &Path) -> Option<Requirements> {
    if let Some(text) = source(&folder.join("requirements.txt")) {
        let names = text
            .lines()
            .map(requirement_name)
            .filter(|name| !name.is_empty())
            .collect();
        return Some(Requirements {
            file: "requirements.txt",
            arguments: vec!["-r".into(), "requirements.txt".into()],
            names,
        });
    }
    let manifest: toml::Table = toml::from_str(&source(&folder.join("pyproject.toml"))?).ok()?;
    let listed = manifest
        .get("project")
        .and_then(|project| project.get("dependencies"))
        .and_then(toml::Value::as_array);
    if let Some(listed) = listed {
        let arguments: Vec<String> = listed
            .iter()
            .filter_map(|entry| entry.as_str().map(str::to_owned))
            .collect();
        let names = arguments.iter().map(|entry| requirement_name(entry)).collect();
        return (!arguments.is_empty()).then_some(Requirements {
            file: "pyproject.toml",
            arguments,
            names,
        });
    }
    let poetry = manifest
        .get("tool")
        .and_then(|tool| tool.get("poetry"))
        .and_then(|poetry| poetry.get("dependencies"))?;
    let lock: Option<toml::Table> = source(&folder.join("poetry.lock")).and_then(|lock| toml::from_str(&lock).ok());
    let (arguments, names) = poetry::requirements(poetry.as_table()?, lock.as_ref());
    (!arguments.is_empty()).then_some(Requirements {
        file: "pyproject.toml",
        arguments,
        names,
    })
}

fn requirement_name(line: &str) -> String {
    let name: String = line
        .trim()
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .collect();
    if line.trim_start().starts_with('-') {
        String::new()
    } else {
        name.to_lowercase().replace('_', "-")
    }
}

/// A command of a package's script as its module: scripts carry the path of the interpreter that installed them.
pub(super) fn as_module(command: &str) -> String {
    let (program, rest) = command.split_once(' ').unwrap_or((command, ""));
    let module = match program {
        "gunicorn" | "uvicorn" | "hypercorn" | "daphne" | "flask" | "streamlit" => program,
        "waitress-serve" => "waitress",
        "django-admin" => "django",
        "python" => return format!("python3 {rest}"),
        _ => return command.to_owned(),
    };
    format!("python3 -m {module} {rest}")
}

fn gunicorn(app: &str) -> String {
    format!(
        "python3 -m gunicorn --bind 0.0.0.0:$PORT --workers 1 --threads {WSGI_THREADS} --timeout 0 --keep-alive 75 \
         --worker-tmp-dir /tmp --error-logfile - '{app}'"
    )
}

fn uvicorn(app: &str, factory: bool) -> String {
    let factory = if factory { " --factory" } else { "" };
    format!("python3 -m uvicorn --host 0.0.0.0 --port $PORT --no-access-log --timeout-keep-alive 75{factory} '{app}'")
}

/// The parts that every Python server shares. `server` is the package that serves it, added when nothing lists it.
fn served(
    folder: &Path,
    config: &Config,
    kind: Kind,
    mut because: Vec<String>,
    command: String,
    server: &str,
) -> Found {
    let mut warnings = Vec::new();
    let listed = requirements(folder);
    let (arguments, names) = match listed {
        Some(listed) => {
            because.push(format!("{} lists its dependencies", listed.file));
            (listed.arguments, listed.names)
        }
        None => {
            let framework = match kind {
                Kind::Django => "django",
                Kind::Fastapi => "fastapi",
                _ => "flask",
            };
            warnings.push(format!("there is no requirements.txt: the newest {framework} is installed; list what the app needs, with versions"));
            (vec![framework.to_owned()], Vec::new())
        }
    };
    let added: Vec<String> = if names.iter().any(|name| name == server) {
        Vec::new()
    } else {
        vec![server.to_owned()]
    };
    if !added.is_empty() {
        because.push(format!("{server} is added to serve it"));
    }
    let concurrency = if server == "gunicorn" {
        WSGI_THREADS
    } else {
        SERVER_CONCURRENCY
    };
    Found {
        kind,
        because,
        runtime: toolchain::python_runtime(config),
        serving: Serving::Server { command, concurrency },
        build: Build::Pip {
            requirements: arguments,
            added,
        },
        warnings,
    }
}

pub(super) fn django(folder: &Path, config: &Config) -> Option<Found> {
    let manage = source(&folder.join("manage.py"))?;
    let (_, settings) = manage.split_once("DJANGO_SETTINGS_MODULE")?;
    let dotted = |part: &&str| part.contains('.') && part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
    let module = settings
        .lines()
        .take(2)
        .flat_map(|line| line.split(['"', '\'']))
        .find(dotted)?;
    let project = module.split('.').next()?;
    let mut because = vec![format!("manage.py names the settings {module}")];
    let at = |name: &str| folder.join(project).join(name);
    let asgi_only = at("asgi.py").is_file()
        && (!at("wsgi.py").is_file() || requirements(folder).is_some_and(|r| r.names.iter().any(|n| n == "channels")));
    let (command, server) = if asgi_only {
        because.push(format!("{project}/asgi.py holds the ASGI application"));
        (uvicorn(&format!("{project}.asgi:application"), false), "uvicorn")
    } else if at("wsgi.py").is_file() {
        because.push(format!("{project}/wsgi.py holds the WSGI application"));
        (gunicorn(&format!("{project}.wsgi:application")), "gunicorn")
    } else {
        return None;
    };
    let mut found = served(folder, config, Kind::Django, because, command, server);
    let settings_file = folder.join(format!("{}.py", module.replace('.', "/")));
    if let Some(settings) = source(&settings_file) {
        let no_hosts = settings
            .lines()
            .any(|line| line.replace(' ', "").starts_with("ALLOWED_HOSTS=[]"));
        let debug = settings
            .lines()
            .any(|line| line.replace(' ', "").starts_with("DEBUG=True"));
        if no_hosts && !debug {
            found.warnings.push(format!(
                "ALLOWED_HOSTS in {module} is empty and DEBUG is off: Django will answer 400 to every request"
            ));
        }
        if settings.contains("django.db.backends.sqlite3") {
            found.warnings.push("the database is SQLite: what is written inside the package is read-only, and /tmp is gone with its environment".into());
        }
    }
    Some(found)
}

/// Flask, FastAPI and their like, by the object that some file makes. `wanted` narrows to one kind.
pub(super) fn framework(folder: &Path, config: &Config, wanted: Option<Kind>) -> Option<Found> {
    let mut apps: Vec<App> = python_files(folder)
        .into_iter()
        .filter_map(|file| app_in(&file, &source(&folder.join(&file))?))
        .collect();
    apps.retain(|app| wanted.is_none_or(|kind| kind == app.kind));
    let rank = |app: &App| {
        let name = app.file.rsplit('/').next().unwrap_or_default();
        let known = APP_FILES
            .iter()
            .position(|known| *known == name)
            .unwrap_or(APP_FILES.len());
        (app.factory, app.file.matches('/').count(), known)
    };
    apps.sort_by_key(rank);
    let app = apps.first()?;
    let module = app
        .file
        .trim_end_matches(".py")
        .trim_end_matches("/__init__")
        .replace('/', ".");
    let made = if app.factory {
        format!("the function {}", app.object)
    } else {
        app.object.clone()
    };
    let because = vec![format!("{} makes a {} app in {made}", app.file, app.framework)];
    let found = match app.kind {
        Kind::Fastapi => served(
            folder,
            config,
            app.kind,
            because,
            uvicorn(&format!("{module}:{}", app.object), app.factory),
            "uvicorn",
        ),
        _ => {
            let object = if app.factory {
                format!("{module}:{}()", app.object)
            } else {
                format!("{module}:{}", app.object)
            };
            served(folder, config, app.kind, because, gunicorn(&object), "gunicorn")
        }
    };
    Some(found)
}

struct App {
    file: String,
    object: String,
    framework: &'static str,
    kind: Kind,
    factory: bool,
}

const FRAMEWORKS: [(&str, Kind); 7] = [
    ("Flask", Kind::Flask),
    ("FastAPI", Kind::Fastapi),
    ("Starlette", Kind::Fastapi),
    ("Quart", Kind::Fastapi),
    ("Litestar", Kind::Fastapi),
    ("Sanic", Kind::Fastapi),
    ("Bottle", Kind::Flask),
];

fn app_in(file: &str, text: &str) -> Option<App> {
    let mut inside: Option<String> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("def ").or_else(|| line.strip_prefix("async def ")) {
            inside = Some(identifier(rest));
        } else if !line.is_empty() && !line.starts_with([' ', '\t', ')', '#']) {
            inside = None;
        }
        let Some((left, right)) = line.split_once('=') else {
            continue;
        };
        let made = right.trim_start().rsplit_once('(').map_or("", |_| right.trim_start());
        let called = made.split('(').next().unwrap_or_default();
        let class = called.rsplit('.').next().unwrap_or_default();
        let Some((framework, kind)) = FRAMEWORKS.iter().find(|(name, _)| *name == class) else {
            continue;
        };
        let app = |object: String, factory| App {
            file: file.to_owned(),
            object,
            framework,
            kind: *kind,
            factory,
        };
        match (&inside, line.starts_with([' ', '\t'])) {
            (_, false) => return Some(app(identifier(left.split(':').next().unwrap_or_default()), false)),
            (Some(function), true) if function.contains("app") => return Some(app(function.clone(), true)),
            _ => {}
        }
    }
    None
}

/// Python files of the folder and of the packages in it, without tests.
fn python_files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    };
    for name in names(folder) {
        let path = folder.join(&name);
        if name.ends_with(".py") && !name.starts_with("test_") && name != "setup.py" && name != "conftest.py" {
            found.push(name);
        } else if path.join("__init__.py").is_file() || path.join("main.py").is_file() {
            let inner = names(&path)
                .into_iter()
                .filter(|file| file.ends_with(".py") && !file.starts_with("test_"));
            found.extend(inner.map(|file| format!("{name}/{file}")));
        }
    }
    found.truncate(MAX_LOOKED_INTO);
    found
}

pub(super) fn handler(folder: &Path, config: &Config, handler: String, mut because: Vec<String>) -> Found {
    let build = match requirements(folder) {
        Some(listed) => {
            because.push(format!("{} lists its dependencies", listed.file));
            Build::Pip {
                requirements: listed.arguments,
                added: Vec::new(),
            }
        }
        None => Build::Nothing,
    };
    Found {
        kind: Kind::PythonHandler,
        because,
        runtime: toolchain::python_runtime(config),
        serving: Serving::Handler { handler },
        build,
        warnings: Vec::new(),
    }
}

pub(super) fn handler_file(folder: &Path, config: &Config) -> Result<Option<Found>, DeployError> {
    for file in HANDLER_FILES {
        let Some(text) = source(&folder.join(file)) else {
            continue;
        };
        let stem = file.trim_end_matches(".py");
        let functions = two_argument_functions(&text);
        let Some(name) = HANDLER_NAMES
            .iter()
            .find(|name| functions.iter().any(|function| function == *name))
            .map(|name| (*name).to_owned())
        else {
            match functions.as_slice() {
                [only] => {
                    let because = vec![format!("{file} holds one function of two arguments, {only}")];
                    return Ok(Some(handler(folder, config, format!("{stem}.{only}"), because)));
                }
                [first, _, ..] if stem == "handler" || stem == "lambda_function" => {
                    return Err(DeployError::Unclear {
                        problem: format!(
                            "{file} holds several functions that could be the handler: {}",
                            functions.join(", ")
                        ),
                        advice: format!("say which: `handler = \"{stem}.{first}\"` in danbi.toml"),
                    });
                }
                _ => continue,
            }
        };
        let because = vec![format!("{file} holds the function {name}")];
        return Ok(Some(handler(folder, config, format!("{stem}.{name}"), because)));
    }
    Ok(None)
}

/// The module's functions that take an event and a context; methods and nested functions are not handlers.
fn two_argument_functions(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("def ") else {
            // `handler = Mangum(app)` and its like.
            if let Some((left, right)) = line.split_once('=') {
                let name = left.trim();
                if HANDLER_NAMES.contains(&name) && !line.starts_with([' ', '\t']) && !right.trim().is_empty() {
                    found.push(name.to_owned());
                }
            }
            continue;
        };
        let Some((name, arguments)) = rest.split_once('(') else {
            continue;
        };
        let arguments = arguments.split(')').next().unwrap_or_default();
        if arguments
            .split(',')
            .filter(|argument| !argument.trim().is_empty())
            .count()
            == 2
        {
            found.push(name.trim().to_owned());
        }
    }
    found
}

fn identifier(text: &str) -> String {
    text.trim()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

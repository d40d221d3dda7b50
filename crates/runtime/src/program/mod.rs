//! What is started in a sandbox for a function: which program, with which variables, over which mounts.

mod bootstraps;
mod interpreters;
mod variables;

pub(crate) use bootstraps::Bootstraps;
pub(crate) use interpreters::{Interpreter, Interpreters, Language};
pub(crate) use variables::{Place, for_fork, for_template, for_worker, provisioned, variables};

use crate::{FunctionSpec, RuntimeError};
use danbi_sandbox::{Isolation, Mount};
use std::path::{Path, PathBuf};

/// Where a function's code is seen inside.
pub(crate) const CODE: &str = "/var/task";
/// Where its layers are.
pub(crate) const LAYERS: &str = "/opt";
/// Where the bootstraps are.
const RUNTIME: &str = "/var/runtime";
/// Where AWS looks for the bootstrap of a custom runtime.
const BOOTSTRAPS: &str = "[/var/task/bootstrap /opt/bootstrap]";

/// The program of a function's environment.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Program and arguments, as seen inside.
    pub(crate) argv: Vec<String>,
    /// What is mounted besides the system. Empty without namespaces.
    pub(crate) mounts: Vec<Mount>,
    /// Where things are inside.
    pub(crate) place: Place,
    /// `AWS_EXECUTION_ENV` and what INIT_START names.
    pub(crate) runtime_version: String,
    /// Said in the log when the interpreter is not the one that the runtime's name asks for.
    pub(crate) warning: Option<String>,
    /// The interpreter of a managed runtime.
    pub(crate) interpreter: Option<Interpreter>,
}

/// Why there is no program to start.
#[derive(Debug)]
pub(crate) enum NoProgram {
    /// This machine cannot run such functions.
    Runtime(RuntimeError),
    /// The deployment package is at fault: `Runtime.InvalidEntrypoint` with this message.
    Entrypoint(String),
}

/// Finds the program for `spec`. Looks at the file system, and at the first use of an interpreter runs it once: call it
/// where blocking is allowed.
pub(crate) fn plan(
    spec: &FunctionSpec,
    isolation: Isolation,
    bootstraps: &Bootstraps,
    interpreters: &Interpreters,
) -> Result<Program, NoProgram> {
    let place = Place::of(spec, isolation, bootstraps);
    let mut program = if spec.http_command().is_some() {
        http_server(spec, place, interpreters)
    } else {
        match family(&spec.runtime) {
            Family::Managed(language, wanted) => {
                let found = interpreters
                    .find(language, wanted, bootstraps)
                    .map_err(NoProgram::Runtime)?;
                managed(spec, place, found, bootstraps)
            }
            Family::Provided => provided(spec, place)?,
            Family::Other(advice) => {
                let runtime = spec.runtime.clone();
                return Err(NoProgram::Runtime(RuntimeError::Unsupported {
                    runtime,
                    advice: advice.to_owned(),
                }));
            }
        }
    };
    if isolation == Isolation::Namespaces {
        program.mounts = mounts(spec, &program, bootstraps);
    }
    Ok(program)
}

enum Family {
    /// Language and the version asked for: minor for Python 3, major for Node.
    Managed(Language, u32),
    Provided,
    Other(&'static str),
}

fn family(runtime: &str) -> Family {
    let number = |text: &str| text.trim_end_matches(".x").parse::<u32>().ok();
    if let Some(minor) = runtime.strip_prefix("python3.").and_then(number) {
        return Family::Managed(Language::Python, minor);
    }
    if let Some(major) = runtime
        .strip_prefix("nodejs")
        .and_then(|text| number(text.split('.').next()?))
    {
        return Family::Managed(Language::Node, major);
    }
    let custom = "package a custom runtime as `provided.al2023` with a `bootstrap` program";
    match runtime {
        _ if runtime.starts_with("provided") => Family::Provided,
        "go1.x" => Family::Other("build the program as `bootstrap` and use `provided.al2023`, as AWS asks since 2024"),
        "python2.7" => Family::Other("Python 2 has ended; move to `python3.13`"),
        "nodejs" => Family::Other("name a version, such as `nodejs22.x`"),
        _ if runtime.starts_with("java") => Family::Other(
            "Java has no embedded runtime here; build a native image as `bootstrap` for `provided.al2023`, or set \
             DANBI_HTTP_COMMAND to run it as an HTTP server with the machine's own `java`",
        ),
        _ if runtime.starts_with("dotnet") => Family::Other(
            "publish self-contained (`dotnet publish --self-contained`) as `bootstrap` with \
             Amazon.Lambda.RuntimeSupport and use `provided.al2023`",
        ),
        _ if runtime.starts_with("ruby") => Family::Other(
            "Ruby has no embedded runtime here; add the gem `aws_lambda_ric` and a `bootstrap` that starts it, and use \
             `provided.al2023`",
        ),
        _ => Family::Other(custom),
    }
}

fn managed(spec: &FunctionSpec, place: Place, found: Interpreter, bootstraps: &Bootstraps) -> Program {
    let binary = if place.isolated {
        found.inside()
    } else {
        found.binary.clone()
    };
    let mut argv = vec![binary.display().to_string()];
    match found.language {
        Language::Python => argv.push(place.runtime_dir.join("bootstrap.py").display().to_string()),
        Language::Node => {
            // The sizes that AWS's own start script gives V8.
            argv.push("--max-http-header-size=81920".to_owned());
            argv.push(format!("--max-semi-space-size={}", (spec.memory_mib * 5 / 100).max(1)));
            argv.push(format!("--max-old-space-size={}", spec.memory_mib * 90 / 100));
            argv.push(place.runtime_dir.join("index.mjs").display().to_string());
        }
    }
    debug_assert!(bootstraps.dir().is_absolute());
    let wanted = spec.runtime.as_str();
    let warning = (!found.exact).then(|| {
        format!(
            "[WARN] {wanted} is not installed on this machine: running on {} {} ({}). Packages with native code must match it.",
            found.language.name(),
            found.version,
            found.binary.display()
        )
    });
    let name = match found.language {
        Language::Python => "python",
        Language::Node => "nodejs",
    };
    Program {
        argv: wrapped(spec, argv),
        mounts: Vec::new(),
        place,
        runtime_version: version_line(spec, &format!("{name}:{}", found.version)),
        warning,
        interpreter: Some(found),
    }
}

fn provided(spec: &FunctionSpec, place: Place) -> Result<Program, NoProgram> {
    let places = [
        Some((&spec.code_dir, &place.task_root)),
        spec.layers_dir.as_ref().map(|dir| (dir, &place.opt)),
    ];
    let found = places
        .into_iter()
        .flatten()
        .find(|(host, _)| host.join("bootstrap").exists());
    let Some((host, inside)) = found else {
        return Err(NoProgram::Entrypoint(format!(
            "Couldn't find valid bootstrap(s): {BOOTSTRAPS}"
        )));
    };
    check_executable(&host.join("bootstrap"))?;
    let argv = vec![inside.join("bootstrap").display().to_string()];
    let flavour = spec
        .runtime
        .strip_prefix("provided")
        .unwrap_or_default()
        .trim_start_matches('.');
    let flavour = if flavour.is_empty() { "al2023" } else { flavour };
    Ok(Program {
        argv: wrapped(spec, argv),
        mounts: Vec::new(),
        place,
        runtime_version: version_line(spec, &format!("provided:{flavour}")),
        warning: None,
        interpreter: None,
    })
}

/// What the kernel would say of it, as AWS words it.
fn check_executable(bootstrap: &Path) -> Result<(), NoProgram> {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;
    let fault = |reason: &str| {
        Err(NoProgram::Entrypoint(format!(
            "fork/exec /var/task/bootstrap: {reason}"
        )))
    };
    let executable = |meta: std::fs::Metadata| meta.is_file() && meta.permissions().mode() & 0o111 != 0;
    if !std::fs::metadata(bootstrap).is_ok_and(executable) {
        return fault("permission denied");
    }
    let mut head = [0_u8; 20];
    let length = std::fs::File::open(bootstrap)
        .and_then(|mut file| file.read(&mut head))
        .unwrap_or(0);
    let machine: &[u8] = if cfg!(target_arch = "aarch64") {
        &[0xb7, 0x00]
    } else {
        &[0x3e, 0x00]
    };
    let runs =
        head.starts_with(b"#!") || (length == head.len() && head.starts_with(b"\x7fELF") && &head[18..20] == machine);
    if runs { Ok(()) } else { fault("exec format error") }
}

fn http_server(spec: &FunctionSpec, place: Place, interpreters: &Interpreters) -> Program {
    let command = spec.http_command().unwrap_or_default().to_owned();
    // The runtime's interpreter, when it is a managed one, so that `node server.js` or `python -m app` find it.
    let interpreter = match family(&spec.runtime) {
        Family::Managed(language, wanted) => interpreters.find_any(language, wanted).ok(),
        Family::Provided | Family::Other(_) => None,
    };
    Program {
        argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), command],
        mounts: Vec::new(),
        place,
        runtime_version: version_line(spec, "danbi:http"),
        warning: None,
        interpreter,
    }
}

/// With `AWS_LAMBDA_EXEC_WRAPPER` the wrapper is given the command; a missing one is the shell's exit status 127.
fn wrapped(spec: &FunctionSpec, argv: Vec<String>) -> Vec<String> {
    match spec
        .environment
        .get("AWS_LAMBDA_EXEC_WRAPPER")
        .filter(|wrapper| !wrapper.is_empty())
    {
        Some(wrapper) => {
            let shell = ["/bin/sh", "-c", "exec \"$@\"", "sh", wrapper].map(str::to_owned);
            shell.into_iter().chain(argv).collect()
        }
        None => argv,
    }
}

fn version_line(spec: &FunctionSpec, version: &str) -> String {
    let resource = version.replace(':', "-");
    format!(
        "{version}\tRuntime Version ARN: arn:aws:lambda:{}::runtime:{resource}",
        spec.scope.region
    )
}

/// What an environment shows of its function.
pub(crate) fn own_mounts(spec: &FunctionSpec) -> Vec<Mount> {
    let shown = |source: &PathBuf, target: &str| Mount {
        source: source.clone(),
        target: target.into(),
        read_only: true,
    };
    let layers = spec.layers_dir.iter().map(|layers| shown(layers, LAYERS));
    std::iter::once(shown(&spec.code_dir, CODE)).chain(layers).collect()
}

fn mounts(spec: &FunctionSpec, program: &Program, bootstraps: &Bootstraps) -> Vec<Mount> {
    let read_only = |source: &Path, target: &str| Mount {
        source: source.into(),
        target: PathBuf::from(target),
        read_only: true,
    };
    let mut mounts = own_mounts(spec);
    if let Some(interpreter) = &program.interpreter {
        mounts.push(read_only(bootstraps.dir(), RUNTIME));
        if let Some(prefix) = interpreter.foreign_prefix() {
            mounts.push(read_only(prefix, "/var/lang"));
        }
    } else if let (Some(host), Some(inside)) = (bootstraps.certificates(), &program.place.certificates) {
        mounts.push(read_only(&host, &inside.display().to_string()));
    }
    mounts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtime_names_are_understood() {
        assert!(matches!(family("python3.13"), Family::Managed(Language::Python, 13)));
        assert!(matches!(family("nodejs22.x"), Family::Managed(Language::Node, 22)));
        assert!(matches!(family("nodejs6.10"), Family::Managed(Language::Node, 6)));
        assert!(matches!(family("provided"), Family::Provided));
        assert!(matches!(family("provided.al2023"), Family::Provided));
        for other in ["java21", "ruby3.3", "dotnet8", "go1.x", "python2.7", "cobol"] {
            assert!(matches!(family(other), Family::Other(_)), "{other}");
        }
    }

    #[test]
    fn a_bootstrap_must_be_a_program_of_this_machine() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bootstrap");
        let reason = |path: &Path| match check_executable(path) {
            Ok(()) => String::new(),
            Err(NoProgram::Entrypoint(reason)) => reason,
            Err(other) => panic!("{other:?}"),
        };
        std::fs::write(&path, "MZ not for here").unwrap();
        assert!(reason(&path).contains("permission denied"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(reason(&path).contains("exec format error"));
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        assert_eq!(reason(&path), "");
    }
}

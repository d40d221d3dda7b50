//! `danbi doctor`: what this machine gives, what it does not, and what to do about each.

use super::failure::Failure;
use super::platform::{Platform, endpoint};
use super::{Target, in_runtime};
use clap::Args;
use danbi_sandbox::{Isolation, Launcher, LauncherOptions};
use serde::Serialize;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::net::{TcpListener, ToSocketAddrs};
use std::path::Path;
use std::process::{Command, ExitCode};

/// Below this much free space a deploy of a large app fails: 1 GiB.
const FREE_SPACE: u64 = 1 << 30;
/// Open files that a busy platform needs.
const OPEN_FILES: u64 = 4096;

/// What `danbi doctor` is told.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub target: Target,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    /// Something works less well, or not at all for some apps.
    Note,
    /// The platform cannot do its work.
    Bad,
}

#[derive(Debug, Serialize)]
struct Finding {
    name: String,
    verdict: Verdict,
    detail: String,
    advice: String,
}

impl Finding {
    fn new(name: &str, verdict: Verdict, detail: impl Into<String>, advice: &str) -> Self {
        let advice = if verdict == Verdict::Ok {
            String::new()
        } else {
            advice.to_owned()
        };
        Self {
            name: name.to_owned(),
            verdict,
            detail: detail.into(),
            advice,
        }
    }
}

/// Runs the verb: exit code 1 when something keeps the platform from working.
pub fn run(args: DoctorArgs) -> Result<ExitCode, Failure> {
    let output = args.target.output();
    // First, because the sandbox's launcher must be started before there are threads.
    let mut findings = sandbox();
    findings.extend(interpreters());
    findings.extend(machine(&args.target.data_folder()));
    let target = args.target.clone();
    let mut found = None;
    in_runtime(async {
        found = Some(platform(&target).await?);
        Ok(ExitCode::SUCCESS)
    })?;
    findings.extend(found);
    for finding in &findings {
        let mark = match finding.verdict {
            Verdict::Ok => "ok  ",
            Verdict::Note => "note",
            Verdict::Bad => "BAD ",
        };
        output.line(format!("{mark} {:<22} {}", finding.name, finding.detail));
        if !finding.advice.is_empty() {
            output.line(format!("     {:<22} → {}", "", finding.advice));
        }
    }
    let bad = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Bad)
        .count();
    output.document(&json!({"version": env!("CARGO_PKG_VERSION"), "ok": bad == 0, "findings": findings}));
    match bad {
        0 => output.line("\nthis machine can run the platform"),
        _ => output.line(format!("\n{bad} of these keep the platform from working as it should")),
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn sandbox() -> Vec<Finding> {
    let options = LauncherOptions {
        isolation: Isolation::Namespaces,
        ..LauncherOptions::default()
    };
    match Launcher::probe(options) {
        Ok(capabilities) => {
            let missing = if capabilities.namespaces {
                Verdict::Note
            } else {
                Verdict::Bad
            };
            let finding = |mechanism: &danbi_sandbox::Mechanism| {
                let verdict = if mechanism.available { Verdict::Ok } else { missing };
                Finding::new(&mechanism.name, verdict, mechanism.detail.clone(), &mechanism.advice)
            };
            capabilities.mechanisms.iter().map(finding).collect()
        }
        Err(error) => vec![Finding::new(
            "sandbox",
            Verdict::Bad,
            error.to_string(),
            "only `danbi serve --isolation=process`, for code you trust, works here",
        )],
    }
}

fn interpreters() -> Vec<Finding> {
    let tools = [
        (
            "python3",
            "--version",
            "Python functions and apps need it: `apt install python3 python3-pip`",
        ),
        (
            "node",
            "--version",
            "Node functions and apps need it: `apt install nodejs npm`",
        ),
        (
            "npm",
            "--version",
            "apps with a package.json need it to be deployed: `apt install npm`",
        ),
        (
            "cargo",
            "--version",
            "only apps written in Rust need it: https://rustup.rs",
        ),
        (
            "go",
            "version",
            "only apps written in Go need it: `apt install golang-go`",
        ),
    ];
    let mut findings: Vec<Finding> = tools
        .iter()
        .map(|(tool, argument, advice)| match printed(tool, &[argument]) {
            Some(version) => Finding::new(tool, Verdict::Ok, version, ""),
            None => Finding::new(tool, Verdict::Note, "not found", advice),
        })
        .collect();
    let servers = [
        (
            "mariadb",
            danbi_rds::MariaDb::find().map(|found| found.server),
            danbi_rds::MARIADB_ADVICE,
        ),
        (
            "postgres",
            danbi_rds::Postgres::find().map(|found| found.server),
            danbi_rds::POSTGRES_ADVICE,
        ),
    ];
    findings.extend(servers.map(|(name, found, advice)| match found {
        Ok(server) => Finding::new(name, Verdict::Ok, server.display().to_string(), ""),
        Err(error) => Finding::new(
            name,
            Verdict::Note,
            error.to_string(),
            &format!("databases of its kind need it: `{advice}`"),
        ),
    }));
    if printed("python3", &["--version"]).is_some() {
        findings.push(match printed("python3", &["-m", "pip", "--version"]) {
            Some(version) => Finding::new(
                "pip",
                Verdict::Ok,
                version.split(" from ").next().unwrap_or_default(),
                "",
            ),
            None => Finding::new(
                "pip",
                Verdict::Note,
                "not found",
                "apps with requirements need it to be deployed: `apt install python3-pip`",
            ),
        });
    }
    findings
}

fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout)
        .trim()
        .lines()
        .next()?
        .to_owned();
    Some(text)
}

fn machine(data: &Path) -> Vec<Finding> {
    let existing = data
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or(Path::new("/"));
    let probe = existing.join(format!(".danbi-doctor-{}", std::process::id()));
    let writable = OpenOptions::new().write(true).create_new(true).open(&probe).map(drop);
    // It was made a line above, or it could not be, and then there is nothing to remove.
    let _ = fs::remove_file(&probe);
    let folder = match writable {
        Ok(()) => Finding::new("data folder", Verdict::Ok, data.display().to_string(), ""),
        Err(error) => Finding::new(
            "data folder",
            Verdict::Bad,
            format!("{}: {error}", existing.display()),
            "choose a folder that this user may write: --data or DANBI_DATA",
        ),
    };
    let space = match rustix::fs::statvfs(existing) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let verdict = if free < FREE_SPACE { Verdict::Note } else { Verdict::Ok };
            Finding::new(
                "free space",
                verdict,
                super::output::size(free),
                "large apps and logs need room: free at least 1 GB, or choose another folder with --data",
            )
        }
        Err(error) => Finding::new(
            "free space",
            Verdict::Note,
            error.to_string(),
            "check the file system of the data folder",
        ),
    };
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let verdict = if files.is_some_and(|files| files < OPEN_FILES) {
        Verdict::Note
    } else {
        Verdict::Ok
    };
    let files = files.map_or_else(|| "unlimited".to_owned(), |files| files.to_string());
    let files = Finding::new(
        "open files",
        verdict,
        files,
        "many concurrent requests need more: `ulimit -n 65536`, or LimitNOFILE in the service's unit",
    );
    vec![folder, space, files]
}

async fn platform(target: &Target) -> Result<Finding, Failure> {
    let address = endpoint(target)?;
    Ok(match Platform::find(target).await {
        Ok(platform) => {
            let detail = format!(
                "answers at {}; region {}, key {} from {}",
                platform.endpoint,
                platform.region,
                platform.credentials.access_key_id,
                platform.credentials.origin()
            );
            match platform.functions_page(None).await {
                Ok(_) => Finding::new("platform", Verdict::Ok, detail, ""),
                Err(failure) => Finding::new(
                    "platform",
                    Verdict::Bad,
                    format!("{detail}, but refuses: {}", failure.error_code().unwrap_or_default()),
                    "use credentials that it knows: unset AWS_*, and point --data at its data folder",
                ),
            }
        }
        Err(_) if is_free(&address) => Finding::new(
            "platform",
            Verdict::Ok,
            format!("none runs; {address} is free for one (`danbi deploy` starts it)"),
            "",
        ),
        Err(failure) => Finding::new(
            "platform",
            Verdict::Bad,
            format!(
                "{address} is taken, or cannot be reached ({})",
                failure.error_code().unwrap_or("no danbi answers there")
            ),
            "stop what listens there, or choose another port with `danbi serve --listen` and DANBI_ENDPOINT",
        ),
    })
}

fn is_free(address: &http::Uri) -> bool {
    let (Some(host), port) = (address.host(), address.port_u16().unwrap_or(80)) else {
        return false;
    };
    let addresses = (host, port).to_socket_addrs().into_iter().flatten();
    addresses.into_iter().any(|address| TcpListener::bind(address).is_ok())
}

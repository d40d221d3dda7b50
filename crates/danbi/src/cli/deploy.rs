//! `danbi deploy`: the folder becomes a version, the version becomes live, nobody waits.

use super::Target;
use super::app::{self, APP_TAG};
use super::failure::{Failure, tail};
use super::output::{Output, size};
use super::platform::{Alias, AppUrls, FunctionConfiguration, Platform, Update};
use super::upload::Upload;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Args;
use danbi_deploy::{Build, Config, Group, Package, Plan, Serving, inspect, package};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// Lines of what went in and stayed out that are worth a person's time; `--json` has them all.
const SHOWN: usize = 8;

/// Which app, and what it is given: the same for `danbi deploy` and `danbi dev`.
#[derive(Debug, Clone, Args)]
pub struct AppArgs {
    /// The app's folder
    #[arg(default_value = ".", value_name = "FOLDER")]
    pub folder: PathBuf,
    /// The app's name and host name [default: from danbi.toml, else the folder's name]
    #[arg(long)]
    pub name: Option<String>,
    /// Set an environment variable; may be repeated
    #[arg(long = "env", short = 'e', value_name = "NAME=VALUE")]
    pub variables: Vec<String>,
    /// Set the environment variables of a file of NAME=VALUE lines, such as .env
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    #[command(flatten)]
    pub target: Target,
}

/// What `danbi deploy` is told.
#[derive(Debug, Clone, Args)]
pub struct DeployArgs {
    #[command(flatten)]
    pub app: AppArgs,
    /// Package and tell, but deploy nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not call the new version once before it goes live
    #[arg(long)]
    pub no_check: bool,
    /// Take over a function of this name that was made by another tool
    #[arg(long)]
    pub adopt: bool,
}

/// What came of a deploy.
#[derive(Debug, serde::Serialize)]
pub struct Deployed {
    /// The app.
    pub name: String,
    /// The version that is live now.
    pub version: String,
    /// The one before, when there was one.
    pub previous: Option<String>,
    /// Where it answers.
    #[serde(flatten)]
    pub urls: AppUrls,
}

/// Runs the verb.
pub async fn run(args: DeployArgs) -> Result<ExitCode, Failure> {
    let app = &args.app;
    let output = app.target.output();
    let config = configuration(app)?;
    if !args.dry_run {
        Platform::expect(&app.target).await?;
    }
    let (plan, packed) = packed(app, config.clone(), &output).await?;
    tell(&plan, &packed, &output);
    if args.dry_run {
        output.done();
        output.document(&json!({"plan": plan, "settings": packed.settings, "report": packed.report}));
        output.line("nothing was deployed (--dry-run)");
        return Ok(ExitCode::SUCCESS);
    }
    let mut target = app.target.clone();
    if let (None, Some(region)) = (&target.region, &config.region) {
        target.region = Some(
            region
                .parse()
                .map_err(|error| Failure::usage("`region` of the configuration is no region", error))?,
        );
    }
    let platform = Platform::find_or_start(&target, &output).await?;
    if let Some(started) = &platform.started {
        output.line(format!(
            "no platform was running: started one (pid {}, log {}); `kill {}` stops it",
            started.pid,
            started.log.display(),
            started.pid
        ));
    }
    let deployed = deploy(&platform, &args, &config, &plan, &packed, &output).await;
    output.done();
    let deployed = deployed?;
    let mut document = json!(deployed);
    document["kind"] = json!(plan.kind);
    document["because"] = json!(plan.because);
    document["report"] = json!(packed.report);
    document["platform"] = json!(platform.started);
    output.document(&document);
    match &deployed.previous {
        Some(previous) if *previous == deployed.version => {
            output.line(format!("nothing changed: version {} is live", deployed.version))
        }
        Some(previous) => output.line(format!(
            "version {} is live, in place of {previous} (`danbi rollback` goes back)",
            deployed.version
        )),
        None => output.line(format!("version {} is live", deployed.version)),
    }
    output.line(format!("\n  {}\n  {}\n", deployed.urls.url, deployed.urls.path_url));
    Ok(ExitCode::SUCCESS)
}

/// The folder's configuration, with what the command line adds to it.
pub fn configuration(args: &AppArgs) -> Result<Config, Failure> {
    let mut config = Config::load(&args.folder)?;
    if let Some(name) = &args.name {
        danbi_deploy::check_name(name).map_err(|why| Failure::usage("cannot deploy", why))?;
        config.name = Some(name.clone());
    }
    if let Some(file) = &args.env_file {
        let text = fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("cannot read {}", file.display()), error))?;
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            set_variable(&mut config, line.strip_prefix("export ").unwrap_or(line))?;
        }
    }
    for variable in &args.variables {
        set_variable(&mut config, variable)?;
    }
    Ok(config)
}

fn set_variable(config: &mut Config, text: &str) -> Result<(), Failure> {
    let (name, value) = text.split_once('=').ok_or_else(|| {
        Failure::usage(
            "cannot set an environment variable",
            format!("{text:?} is not NAME=VALUE"),
        )
    })?;
    let quoted = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    config
        .env
        .insert(name.trim().to_owned(), quoted.unwrap_or(value).to_owned());
    Ok(())
}

/// Looks and packages, beside the runtime because both read files and run tools.
pub async fn packed(args: &AppArgs, config: Config, output: &Output) -> Result<(Plan, Package), Failure> {
    let (folder, progress) = (args.folder.clone(), output.clone());
    let work = move || {
        let plan = inspect(&folder, &config)?;
        let packed = package(&plan, &config, &progress)?;
        Ok::<_, danbi_deploy::DeployError>((plan, packed))
    };
    let outcome = tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::new("packaging broke off", error))?;
    output.done();
    Ok(outcome?)
}

fn tell(plan: &Plan, packed: &Package, output: &Output) {
    let report = &packed.report;
    output.line(format!("{} is {}: {}", plan.name, plan.kind, plan.because.join("; ")));
    match &plan.serving {
        Serving::Server { command, .. } => output.line(format!("  runs  {command}")),
        Serving::Handler { handler } => output.line(format!("  calls {handler} on {}", plan.runtime)),
        Serving::Static { folder } => output.line(format!("  serves the files of {folder}")),
        Serving::Bootstrap => output.line("  runs  bootstrap"),
    }
    tell_groups("in   ", &report.own, output);
    let installer = if matches!(plan.build, Build::Npm { .. }) {
        "npm  "
    } else {
        "pip  "
    };
    tell_groups(installer, &report.installed, output);
    for out in report.left_out.iter().take(SHOWN) {
        output.line(format!("  out   {} ({})", out.path, out.reason));
    }
    // A secret that stays out may be what the app needs to run: never one of "more".
    for out in report
        .left_out
        .iter()
        .skip(SHOWN)
        .filter(|out| out.reason == danbi_deploy::Reason::Secret)
    {
        output.line(format!("  out   {} ({})", out.path, out.reason));
    }
    if report.left_out.len() > SHOWN {
        output.line(format!("  out   {} in all (--json lists them)", report.left_out.len()));
    }
    output.line(format!(
        "  size  {} unpacked, {} packed",
        size(report.unpacked_bytes),
        size(report.packed_bytes)
    ));
    for missing in &report.missing {
        output.warn(format!(
            "{} line {} imports {}, which is not in the package: add it to the dependencies",
            missing.file, missing.line, missing.module
        ));
    }
    for warning in &report.warnings {
        output.warn(warning);
    }
}

fn tell_groups(label: &str, groups: &[Group], output: &Output) {
    if groups.is_empty() {
        return;
    }
    let files: u64 = groups.iter().map(|group| group.files).sum();
    let bytes: u64 = groups.iter().map(|group| group.bytes).sum();
    let names: Vec<&str> = groups.iter().take(SHOWN).map(|group| group.path.as_str()).collect();
    let more = groups
        .len()
        .checked_sub(SHOWN + 1)
        .map(|more| format!(" and {} more", more + 1))
        .unwrap_or_default();
    output.line(format!(
        "  {label} {files} files, {}: {}{more}",
        size(bytes),
        names.join(" ")
    ));
}

/// Brings the package to the platform and makes it live. A failure at any step leaves what was live untouched.
pub async fn deploy(
    platform: &Platform,
    args: &DeployArgs,
    config: &Config,
    plan: &Plan,
    packed: &Package,
    output: &Output,
) -> Result<Deployed, Failure> {
    let name = &plan.name;
    let role = match &config.role {
        Some(role) => role.clone(),
        None => platform.app_role(&platform.account().await?, name).await?,
    };
    let update = Update {
        name,
        settings: &packed.settings,
        role: &role,
    };
    output.step(format!("deploying {name}"));
    let before = platform.function(name).await?;
    let live: Option<Alias> = match before {
        Some((function, tags)) => {
            if !tags.contains_key(APP_TAG) {
                adopt(platform, args, name, &function).await?;
            }
            let live = platform.live(name).await?;
            change(platform, &update, &function, packed, output).await?;
            live
        }
        None => {
            let upload = Upload::begin(platform, name, packed, output).await?;
            let created = platform
                .create(&update, &app::tags(name), &upload.code, &upload.bar)
                .await;
            upload.end(platform).await;
            created?;
            None
        }
    };
    output.step("waiting until it is ready");
    platform.settled(name, None).await?;
    // Taking a bound away that was never set is no error, so the function ends as the configuration says.
    if config.max_environments.is_some() || live.is_some() {
        platform.set_concurrency(name, config.max_environments).await?;
    }
    let version = platform
        .publish(name, &BASE64.encode(packed.sha256), &packed.settings.description)
        .await?
        .version;
    platform.settled(name, Some(&version)).await?;
    let previous = live.map(|alias| alias.function_version);
    if previous.as_ref() != Some(&version) {
        if !args.no_check {
            check(platform, name, &version, &plan.serving, previous.as_deref(), output).await?;
        }
        platform.go_live(name, &version, previous.is_some()).await?;
    }
    platform.make_public(name).await?;
    Ok(Deployed {
        name: name.clone(),
        version,
        previous,
        urls: platform.app_urls(name),
    })
}

async fn adopt(
    platform: &Platform,
    args: &DeployArgs,
    name: &str,
    function: &FunctionConfiguration,
) -> Result<(), Failure> {
    if !args.adopt {
        return Err(Failure::new(
            format!("cannot deploy {name}"),
            "a function of that name exists, and `danbi deploy` did not make it",
        )
        .next("choose another name with --name, or take it over with --adopt"));
    }
    platform.tag(&function.function_arn, &app::tags(name)).await
}

async fn change(
    platform: &Platform,
    update: &Update<'_>,
    now: &FunctionConfiguration,
    packed: &Package,
    output: &Output,
) -> Result<(), Failure> {
    platform.settled(update.name, None).await?;
    if now.code_sha256 != BASE64.encode(packed.sha256) {
        let upload = Upload::begin(platform, update.name, packed, output).await?;
        let updated = platform.update_code(update.name, &upload.code, &upload.bar).await;
        upload.end(platform).await;
        updated?;
        output.step("waiting until it is ready");
        platform.settled(update.name, None).await?;
    }
    platform.update(update, now).await
}

/// Asks a server's new version for `/` before anybody else reaches it: one that cannot start never goes live. A handler
/// gets no made-up event, because nobody knows what it would do with it.
async fn check(
    platform: &Platform,
    name: &str,
    version: &str,
    serving: &Serving,
    previous: Option<&str>,
    output: &Output,
) -> Result<(), Failure> {
    if !matches!(serving, Serving::Server { .. }) {
        return Ok(());
    }
    output.step(format!("checking that version {version} starts"));
    let event = super::invoke::http_event("GET", "/", "danbi-deploy", None);
    let answer = platform.invoke(name, version, event.to_string().into()).await?;
    if let Some(error) = &answer.function_error {
        let document: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
        let why = document["errorMessage"].as_str().unwrap_or(error).to_owned();
        let stays = match previous {
            Some(previous) => format!("version {previous} stays live"),
            None => "nothing is live yet".into(),
        };
        return Err(
            Failure::new(format!("version {version} of {name} does not start, so {stays}"), why)
                .output(tail(&answer.log, 30))
                .next("correct the app and deploy again; --no-check makes it live as it is"),
        );
    }
    let document: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
    if let Some(status @ 500..) = document["statusCode"].as_u64() {
        output.warn(format!(
            "GET / of version {version} answers {status}: see `danbi logs {name} {}`",
            answer.request_id
        ));
    }
    Ok(())
}

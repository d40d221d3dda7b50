//! `danbi init`: a configuration file in which everything is said, and nothing has to be.

use super::failure::Failure;
use clap::Args;
use danbi_deploy::{Config, FILE_NAMES, Serving, app_name, inspect, schema};
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `danbi init` is told.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// The app's folder
    #[arg(default_value = ".", value_name = "FOLDER")]
    pub folder: PathBuf,
    /// Print the JSON Schema of danbi.toml, danbi.yaml and danbi.json, and write nothing
    #[arg(long)]
    pub schema: bool,
    /// Answer with one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb. A configuration that exists is never overwritten.
pub fn run(args: &InitArgs) -> Result<ExitCode, Failure> {
    let output = super::Output::new(args.json);
    if args.schema {
        let text = serde_json::to_string_pretty(&schema()).unwrap_or_default();
        super::Output::new(false).line(text);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(existing) = FILE_NAMES
        .iter()
        .map(|name| args.folder.join(name))
        .find(|path| path.exists())
    {
        return Err(Failure::new(
            format!("{} exists already", existing.display()),
            "init never overwrites a configuration",
        )
        .next("edit it, or move it away first"));
    }
    let config = Config::default();
    let found = inspect(&args.folder, &config);
    let name = app_name(&args.folder, &config)?;
    let path = args.folder.join("danbi.toml");
    let mut text = match &found {
        Ok(plan) => format!(
            "# {}: {}.\n# Everything below may be left out; lines with # show what would be.\n\n",
            plan.kind,
            plan.because.join("; ")
        ),
        Err(_) => "# Say how the app is served: `command`, `handler` or `static`.\n\n".to_owned(),
    };
    text.push_str(&format!("name = \"{name}\"\n\n"));
    let (handler, command, folder) = match found.as_ref().map(|plan| &plan.serving) {
        Ok(Serving::Handler { handler }) => (handler.clone(), String::new(), String::new()),
        Ok(Serving::Server { command, .. }) => (String::new(), command.clone(), String::new()),
        Ok(Serving::Static { folder }) => (String::new(), String::new(), folder.clone()),
        _ => Default::default(),
    };
    let or = |found: String, example: &str| if found.is_empty() { example.to_owned() } else { found };
    let quoted = |text: String| toml_string(&text);
    text.push_str(&format!(
        "# How it answers: one of these.\n# handler = {}\n# command = {}   # must listen on $PORT\n# static = {}\n",
        quoted(or(handler, "app.handler")),
        quoted(or(command, "node server.js")),
        quoted(or(folder, "dist")),
    ));
    text.push_str(COMMENTED);
    fs::write(&path, text).map_err(|error| {
        Failure::new(format!("cannot write {}", path.display()), error).next("check that you may write the folder")
    })?;
    output.document(&json!({"path": path, "kind": found.as_ref().ok().map(|plan| plan.kind)}));
    output.line(format!("wrote {}; `danbi deploy` reads it", path.display()));
    Ok(ExitCode::SUCCESS)
}

const COMMENTED: &str = r#"
# kind = "flask"            # when the guess is wrong: django flask fastapi node python-handler node-handler rust go static executable
# runtime = "python3.12"    # default: that of the interpreter found here
# build = "npm run build"   # runs before packaging, in a copy of the folder
# install = true            # whether dependencies are installed into the package
# memory = 512              # MiB, 128 to 10240
# timeout = 30              # seconds for one request, 1 to 900
# storage = 512             # MiB of /tmp, 512 to 10240
# concurrency = 64          # requests that one environment of a server, or of a handler that can, takes at once
# max_environments = 10     # how many environments may run at once
# ready_path = "/health"    # a server is ready when this path answers 2xx; default: when its port accepts
# include = ["data/"]       # go in although a rule leaves them out
# exclude = ["docs/"]       # stay out
# region = "us-east-1"
# role = "arn:aws:iam::000000000000:role/my-role"
# description = "one line"

# [env]
# GREETING = "hello"
"#;

/// A TOML basic string.
fn toml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(folder: &std::path::Path) -> InitArgs {
        InitArgs {
            folder: folder.to_owned(),
            schema: false,
            json: false,
        }
    }

    #[test]
    fn what_init_writes_is_read_by_deploy_even_with_every_line_in_force() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("server.js"), "").unwrap();
        fs::write(
            folder.path().join("package.json"),
            r#"{"name":"x","scripts":{"start":"next start"}}"#,
        )
        .unwrap();
        fs::write(folder.path().join("danbi.toml"), "").unwrap();
        assert!(run(&args(folder.path())).is_err());
        fs::remove_file(folder.path().join("danbi.toml")).unwrap();
        let named = folder.path().join("my-app");
        fs::create_dir(&named).unwrap();
        for file in ["server.js", "package.json"] {
            fs::copy(folder.path().join(file), named.join(file)).unwrap();
        }
        run(&args(&named)).unwrap();
        assert_eq!(Config::load(&named).unwrap().name.as_deref(), Some("my-app"));
        let text = fs::read_to_string(named.join("danbi.toml")).unwrap();
        let in_force: Vec<&str> = text
            .lines()
            .map(|line| line.strip_prefix("# ").unwrap_or(line))
            .filter(|line| line.contains(" = ") || line.starts_with('['))
            .filter(|line| !line.starts_with("handler") && !line.starts_with("static"))
            .collect();
        let config = Config::parse(std::path::Path::new("danbi.toml"), &in_force.join("\n")).unwrap();
        assert!(
            config
                .command
                .is_some_and(|command| command.contains("$PWD/node_modules/.bin:$PATH\" next start"))
        );
    }
}

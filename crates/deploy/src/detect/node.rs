//! Node: servers by their start script, Lambda handlers, and sites that a build makes.

use super::{Found, SERVER_CONCURRENCY, site, source};
use crate::plan::{Build, Kind, Serving};
use crate::{Config, DeployError, toolchain};
use serde_json::Value;
use std::path::Path;

/// Packages whose presence says that the main file listens on a port.
const SERVERS: [&str; 14] = [
    "express",
    "fastify",
    "koa",
    "@hapi/hapi",
    "restify",
    "@hono/node-server",
    "polka",
    "next",
    "nuxt",
    "@nestjs/core",
    "@remix-run/serve",
    "connect",
    "ws",
    "socket.io",
];
/// Frameworks that have to be built before they start.
const BUILT: [&str; 8] = [
    "next",
    "nuxt",
    "@nestjs/core",
    "@remix-run/serve",
    "@sveltejs/kit",
    "astro",
    "typescript",
    "vite",
];
/// Where bundlers put a site.
const SITE_OUTPUT: [(&str, &str); 6] = [
    ("vite", "dist"),
    ("react-scripts", "build"),
    ("@angular/cli", "dist"),
    ("parcel", "dist"),
    ("@11ty/eleventy", "_site"),
    ("webpack", "dist"),
];
const HANDLER_FILES: [&str; 4] = ["index", "handler", "lambda_function", "app"];
const ENDINGS: [&str; 3] = ["js", "mjs", "cjs"];

/// A package.json, as far as it is of interest.
struct Package {
    manifest: Value,
}

impl Package {
    /// The folder's package.json; nothing when it has none.
    fn read(folder: &Path) -> Result<Option<Self>, DeployError> {
        let path = folder.join("package.json");
        let Some(text) = source(&path) else { return Ok(None) };
        let manifest = serde_json::from_str(&text).map_err(|error| DeployError::Unclear {
            problem: format!("{} is not JSON: {error}", path.display()),
            advice: "correct it; `npm pkg get name` should print the package's name".into(),
        })?;
        Ok(Some(Self { manifest }))
    }

    fn script(&self, name: &str) -> Option<&str> {
        self.manifest["scripts"][name]
            .as_str()
            .filter(|script| !script.trim().is_empty())
    }

    fn depends_on(&self, package: &str) -> bool {
        ["dependencies", "devDependencies"]
            .iter()
            .any(|list| self.manifest[list].get(package).is_some())
    }

    fn has_dependencies(&self) -> bool {
        ["dependencies", "optionalDependencies"]
            .iter()
            .any(|list| self.manifest[list].as_object().is_some_and(|names| !names.is_empty()))
    }

    /// Built when the app has a build script and something that needs one.
    fn build(&self) -> Build {
        let built = self.script("build").is_some() && BUILT.iter().any(|package| self.depends_on(package));
        match built {
            true => Build::Npm {
                script: Some("build".into()),
            },
            false if self.has_dependencies() => Build::Npm { script: None },
            false => Build::Nothing,
        }
    }
}

pub(super) fn server(folder: &Path, config: &Config) -> Result<Option<Found>, DeployError> {
    let Some(package) = Package::read(folder)? else {
        return Ok(None);
    };
    let framework = SERVERS.iter().find(|name| package.depends_on(name));
    let mut because = Vec::new();
    let command = if let Some(script) = package.script("start") {
        because.push(format!("package.json has the start script `{script}`"));
        start_command(script)
    } else if folder.join("server.js").is_file() {
        because.push("there are package.json and server.js, which `npm start` runs".into());
        "node server.js".into()
    } else {
        let Some(framework) = framework else { return Ok(None) };
        let main = package.manifest["main"].as_str().unwrap_or("index.js");
        let Some(main) = [main, "index.js", "app.js", "index.mjs"]
            .into_iter()
            .find(|main| folder.join(main).is_file())
        else {
            return Ok(None);
        };
        // An Express app wrapped for Lambda exports a handler and listens on nothing.
        if source(&folder.join(main)).is_some_and(|text| !exports(&text).is_empty() && !text.contains(".listen(")) {
            return Ok(None);
        }
        because.push(format!(
            "package.json depends on {framework}, and its main file is {main}"
        ));
        format!("node {main}")
    };
    if let Some(framework) = framework {
        because.push(format!("it depends on {framework}"));
    }
    because.dedup();
    Ok(Some(Found {
        kind: Kind::Node,
        because,
        runtime: toolchain::node_runtime(config),
        serving: Serving::Server {
            command,
            concurrency: SERVER_CONCURRENCY,
        },
        build: package.build(),
        warnings: Vec::new(),
    }))
}

/// npm itself is not in the way of signals and costs no start-up time: the script runs with `node_modules/.bin` in its
/// path, as npm would run it.
fn start_command(script: &str) -> String {
    let path = "env PATH=\"$PWD/node_modules/.bin:$PATH\"";
    if script.contains(['&', '|', ';', '<', '>', '(', ')', '\n']) {
        return format!("{path} sh -c '{}'", script.replace('\'', r"'\''"));
    }
    if script.starts_with("node ") {
        script.to_owned()
    } else {
        format!("{path} {script}")
    }
}

pub(super) fn handler(
    folder: &Path,
    config: &Config,
    handler: String,
    because: Vec<String>,
) -> Result<Found, DeployError> {
    let build = Package::read(folder)?.map_or(Build::Nothing, |package| package.build());
    Ok(Found {
        kind: Kind::NodeHandler,
        because,
        runtime: toolchain::node_runtime(config),
        serving: Serving::Handler { handler },
        build,
        warnings: Vec::new(),
    })
}

pub(super) fn handler_file(folder: &Path, config: &Config) -> Result<Option<Found>, DeployError> {
    for (stem, ending) in HANDLER_FILES
        .iter()
        .flat_map(|stem| ENDINGS.map(|ending| (*stem, ending)))
    {
        let file = format!("{stem}.{ending}");
        let Some(text) = source(&folder.join(&file)) else {
            continue;
        };
        let exported = exports(&text);
        let name = match exported.as_slice() {
            names if names.iter().any(|name| name == "handler") => "handler",
            [] => continue,
            [only] => only,
            several => {
                return Err(DeployError::Unclear {
                    problem: format!("{file} exports several functions: {}", several.join(", ")),
                    advice: format!(
                        "say which one is the handler: `handler = \"{stem}.{}\"` in danbi.toml",
                        several[0]
                    ),
                });
            }
        };
        let because = vec![format!("{file} exports the function {name}")];
        return handler(folder, config, format!("{stem}.{name}"), because).map(Some);
    }
    Ok(None)
}

/// A package.json with a build script and no server: what a bundler makes is a static site.
pub(super) fn built_site(folder: &Path) -> Option<Found> {
    let package = Package::read(folder).ok()??;
    package.script("build")?;
    let (bundler, output) = SITE_OUTPUT.iter().find(|(bundler, _)| package.depends_on(bundler))?;
    let because = vec![format!(
        "package.json has a build script and {bundler}, which makes {output}/"
    )];
    Some(site::site(
        output,
        because,
        Build::Npm {
            script: Some("build".into()),
        },
    ))
}

/// The names of functions that a module exports, as far as its text shows.
fn exports(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut in_object = false;
    for line in text.lines() {
        let line = line.trim_start();
        if in_object {
            in_object = !line.starts_with('}');
            names.extend(
                line.trim_end_matches('}')
                    .split(',')
                    .map(|entry| identifier(entry.trim_start())),
            );
            continue;
        }
        if line.starts_with("//") || line.starts_with('*') {
            continue;
        }
        let after = ["module.exports.", "exports."]
            .iter()
            .find_map(|start| line.strip_prefix(start))
            .filter(|rest| {
                let rest = rest
                    .trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '$')
                    .trim_start();
                rest.starts_with('=')
                    && (rest.contains("=>")
                        || rest.contains("function")
                        || rest.contains('(')
                        || !rest.contains(['\'', '"', '{']))
            });
        let esm = ["export async function ", "export function ", "export const "]
            .iter()
            .find_map(|start| line.strip_prefix(start));
        if let Some(rest) = after.or(esm) {
            names.push(identifier(rest));
        } else if let Some(rest) = line
            .strip_prefix("module.exports")
            .map(str::trim_start)
            .and_then(|rest| rest.strip_prefix('='))
        {
            let object = rest.trim_start().strip_prefix('{').unwrap_or_default();
            in_object = rest.trim() == "{";
            names.extend(object.split([',', '}']).map(|entry| identifier(entry.trim_start())));
        } else if let Some(list) = line.strip_prefix("export {") {
            names.extend(
                list.split([',', '}'])
                    .map(|entry| identifier(entry.rsplit(" as ").next().unwrap_or_default().trim_start())),
            );
        }
    }
    names.retain(|name| !name.is_empty());
    names.dedup();
    names
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '$')
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_functions_are_read_in_every_common_form() {
        for (text, expected) in [
            ("exports.handler = async (event) => ({})", vec!["handler"]),
            ("module.exports.hello = async () => {}", vec!["hello"]),
            ("export const handler = async () => {}", vec!["handler"]),
            ("export async function handler(event) {}", vec!["handler"]),
            ("module.exports = { handler, other };", vec!["handler", "other"]),
            ("const h = 1;\nexport { h as handler };", vec!["handler"]),
            ("module.exports = {\n  handler,\n};", vec!["handler"]),
            ("// exports.handler = 1\nconsole.log(1)", vec![]),
        ] {
            assert_eq!(exports(text), expected, "{text}");
        }
    }

    #[test]
    fn a_start_script_runs_without_npm() {
        let path = "env PATH=\"$PWD/node_modules/.bin:$PATH\"";
        assert_eq!(start_command("node server.js"), "node server.js");
        assert_eq!(start_command("next start"), format!("{path} next start"));
        assert_eq!(
            start_command("NODE_ENV=production next start"),
            format!("{path} NODE_ENV=production next start")
        );
        assert_eq!(
            start_command("node a.js && echo 'x'"),
            format!(r"{path} sh -c 'node a.js && echo '\''x'\'''")
        );
    }
}

//! `danbi env`: what `danbi exec` sets, as export lines, without the proxy that lives only as long as `exec`.

use super::Target;
use super::failure::Failure;
use super::platform::Platform;
use clap::Args;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// What `danbi env` is told.
#[derive(Debug, Clone, Args)]
pub struct EnvArgs {
    #[command(flatten)]
    pub target: Target,
}

/// Runs the verb.
pub async fn run(args: EnvArgs) -> Result<ExitCode, Failure> {
    let output = args.target.output();
    let variables = variables(&Platform::find(&args.target).await?);
    for (name, value) in &variables {
        output.line(format!("export {name}={}", quoted(value)));
    }
    output.document(&variables);
    Ok(ExitCode::SUCCESS)
}

/// What points AWS's SDKs and tools at the platform.
pub fn variables(platform: &Platform) -> BTreeMap<&'static str, String> {
    let endpoint = platform.endpoint.to_string().trim_end_matches('/').to_owned();
    let mut variables = BTreeMap::from([
        ("AWS_ENDPOINT_URL", endpoint.clone()),
        ("DANBI_ENDPOINT", endpoint),
        ("AWS_ACCESS_KEY_ID", platform.credentials.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", platform.credentials.secret.expose().to_owned()),
        ("AWS_DEFAULT_REGION", platform.region.clone()),
        ("AWS_REGION", platform.region.clone()),
    ]);
    if let Some(token) = &platform.credentials.session_token {
        variables.insert("AWS_SESSION_TOKEN", token.clone());
    }
    variables
}

/// For a POSIX shell.
fn quoted(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@+=,".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_shell_reads_back_what_was_written() {
        assert_eq!(super::quoted("http://127.0.0.1:4566"), "http://127.0.0.1:4566");
        assert_eq!(super::quoted("a'b c"), r"'a'\''b c'");
    }
}

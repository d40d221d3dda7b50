use super::bootstraps::{Bootstraps, CERTIFICATES};
use super::{CODE, LAYERS, RUNTIME};
use crate::{FunctionSpec, LogFormat};
use danbi_core::SessionCredentials;
use danbi_sandbox::Isolation;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The port of the Runtime API inside a sandbox, as on AWS.
const API_PORT: u16 = 9001;
/// The platform's own endpoint inside a sandbox.
const PLATFORM_PORT: u16 = 4566;

/// By which names programs look for the certificates that they trust: OpenSSL and with it Python's `ssl`, Go, rustls and
/// .NET; requests; AWS's SDKs and CLI; curl; Node.js, for which they are added to its own.
const TRUST: [&str; 5] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
];

/// Where things are, as the process inside sees them.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Whether the process has a file system and a network of its own.
    pub(crate) isolated: bool,
    /// `/var/task`.
    pub(crate) task_root: PathBuf,
    /// `/opt`.
    pub(crate) opt: PathBuf,
    /// `/var/runtime`.
    pub(crate) runtime_dir: PathBuf,
    /// Port of the Runtime API on loopback.
    pub(crate) api_port: u16,
    /// Port of the platform on loopback.
    pub(crate) platform_port: u16,
    /// `$PORT` of an HTTP-server app.
    pub(crate) app_port: u16,
    /// The certificates that make the platform trusted, where it serves TLS by AWS's names.
    pub(crate) certificates: Option<PathBuf>,
}

impl Place {
    /// AWS's paths and ports with namespaces; without them the host's paths, and ports that are free now.
    pub(crate) fn of(spec: &FunctionSpec, isolation: Isolation, bootstraps: &Bootstraps) -> Self {
        match isolation {
            Isolation::Namespaces => Self {
                isolated: true,
                task_root: CODE.into(),
                opt: LAYERS.into(),
                runtime_dir: RUNTIME.into(),
                api_port: API_PORT,
                platform_port: PLATFORM_PORT,
                app_port: 8080,
                certificates: bootstraps.certificates().map(|_| Path::new(RUNTIME).join(CERTIFICATES)),
            },
            Isolation::Process => Self {
                isolated: false,
                task_root: spec.code_dir.clone(),
                opt: spec.layers_dir.clone().unwrap_or_else(|| "/opt".into()),
                runtime_dir: bootstraps.dir().to_owned(),
                api_port: free_port(),
                platform_port: free_port(),
                app_port: free_port(),
                // Names are the host's.
                certificates: None,
            },
        }
    }
}

/// A port that nobody listens on at this moment; 0 when the host has none left, which the launch then reports.
fn free_port() -> u16 {
    let bound = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    bound.map_or(0, |address| address.port())
}

/// The whole environment of the process. What the function sets is kept except for the names that AWS reserves.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.
pub(crate) fn variables(
    spec: &FunctionSpec,
    place: &Place,
    python: Option<u32>,
    node: Option<u32>,
    log_stream: &str,
    credentials: &SessionCredentials,
    platform: bool,
) -> Vec<(String, String)> {
    let region = spec.scope.region.as_str();
    let (task, opt, runtime) = (
        place.task_root.display(),
        place.opt.display(),
        place.runtime_dir.display(),
    );
    let mut all = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        all.insert(name.to_owned(), value);
    };
    // What a function may set otherwise.
    let [path, libraries, modules] = search_paths(place, node);
    set("PATH", path);
    set("LD_LIBRARY_PATH", libraries);
    set(
        "LANG",
        if python.is_some() {
            "en_US.UTF-8".to_owned()
        } else {
            "C.UTF-8".to_owned()
        },
    );
    set("TZ", ":UTC".to_owned());
    if let Some(minor) = python {
        set(
            "PYTHONPATH",
            format!("{opt}/python/lib/python3.{minor}/site-packages:{opt}/python:{runtime}"),
        );
        set("PYTHONNOUSERSITE", "1".to_owned());
        set("PYTHONUTF8", "1".to_owned());
    }
    if node.is_some() {
        set("NODE_PATH", modules);
    }
    if platform {
        set("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", place.platform_port));
    }
    for (name, certificates) in trust(place) {
        set(name, certificates);
    }
    all.extend(
        spec.environment
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );

    // What only the platform sets.
    let mut set = |name: &str, value: String| {
        all.insert(name.to_owned(), value);
    };
    set("_HANDLER", spec.handler.clone());
    set("AWS_REGION", region.to_owned());
    set("AWS_DEFAULT_REGION", region.to_owned());
    set("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", spec.runtime));
    set("AWS_LAMBDA_FUNCTION_NAME", spec.name.clone());
    set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", spec.memory_mib.to_string());
    set("AWS_LAMBDA_FUNCTION_VERSION", spec.version.clone());
    set("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned());
    // Read by AWS's own clients of the Runtime API, which then ask for so many events at once.
    if let Some(places) = spec.concurrency() {
        set("AWS_LAMBDA_MAX_CONCURRENCY", places.to_string());
    }
    set("AWS_LAMBDA_LOG_GROUP_NAME", spec.log_group.clone());
    set("AWS_LAMBDA_LOG_STREAM_NAME", log_stream.to_owned());
    set("AWS_ACCESS_KEY_ID", credentials.access_key_id.clone());
    set("AWS_SECRET_ACCESS_KEY", credentials.secret.expose().to_owned());
    set("AWS_SESSION_TOKEN", credentials.session_token.clone());
    set("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".to_owned());
    set("LAMBDA_TASK_ROOT", task.to_string());
    set("LAMBDA_RUNTIME_DIR", runtime.to_string());
    match spec.http_command() {
        Some(_) => {
            set("PORT", place.app_port.to_string());
            set("HOME", "/tmp".to_owned());
        }
        None => set("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{}", place.api_port)),
    }
    if spec.log_format == LogFormat::Json {
        set("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned());
        if let Some(level) = spec.application_log_level {
            set("AWS_LAMBDA_LOG_LEVEL", level.as_str().to_owned());
        }
    } else {
        set("AWS_LAMBDA_LOG_FORMAT", "Text".to_owned());
    }
    all.into_iter().collect()
}

/// What a worker starts with: what is the same for every function on this interpreter and unlike nobody's.
pub(crate) fn for_worker(place: &Place, node: u32) -> Vec<(String, String)> {
    let [path, libraries, modules] = search_paths(place, Some(node));
    let mut all = vec![
        ("PATH".to_owned(), path),
        ("LD_LIBRARY_PATH".to_owned(), libraries),
        ("NODE_PATH".to_owned(), modules),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("TZ".to_owned(), ":UTC".to_owned()),
        (
            "AWS_LAMBDA_RUNTIME_API".to_owned(),
            format!("127.0.0.1:{}", place.api_port),
        ),
        ("DANBI_WORKER".to_owned(), "1".to_owned()),
    ];
    all.extend(trust(place).map(|(name, certificates)| (name.to_owned(), certificates)));
    all
}

/// What makes programs trust the platform where it answers by AWS's names.
fn trust(place: &Place) -> impl Iterator<Item = (&'static str, String)> {
    let certificates = place.certificates.iter().map(|path| path.display().to_string());
    certificates.flat_map(|path| TRUST.map(|name| (name, path.clone())))
}

/// `PATH`, `LD_LIBRARY_PATH` and `NODE_PATH`.
fn search_paths(place: &Place, node: Option<u32>) -> [String; 3] {
    let (task, opt, runtime) = (
        place.task_root.display(),
        place.opt.display(),
        place.runtime_dir.display(),
    );
    let node = node.unwrap_or_default();
    [
        format!("/var/lang/bin:/usr/local/bin:/usr/bin:/bin:{opt}/bin"),
        format!("/var/lang/lib:/lib64:/usr/lib64:{runtime}:{runtime}/lib:{task}:{task}/lib:{opt}/lib"),
        format!(
            "{opt}/nodejs/node{node}/node_modules:{opt}/nodejs/node_modules:{runtime}/node_modules:{runtime}:{task}"
        ),
    ]
}

/// The least memory with which AWS gives a function more than one CPU.
const ONE_CPU_MIB: u32 = 1_770;

/// The environment of a template: that of an environment without the credentials of one, which are fetched instead.
pub(crate) fn for_template(
    mut all: Vec<(String, String)>,
    spec: &FunctionSpec,
    place: &Place,
    token: &str,
) -> Vec<(String, String)> {
    let of_one_environment = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    all.retain(|(name, _)| !of_one_environment.contains(&name.as_str()));
    // Numerical libraries start a thread for each CPU when they are imported, and with threads nothing can be forked.
    if spec.memory_mib < ONE_CPU_MIB {
        for name in ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
            if !spec.environment.contains_key(name) {
                all.push((name.to_owned(), "1".to_owned()));
            }
        }
    }
    all.push(("DANBI_TEMPLATE".to_owned(), "1".to_owned()));
    all.extend(container_credentials(place, token));
    all
}

/// The environment of a fork: that of an environment, and where what was imported in the template finds credentials.
pub(crate) fn for_fork(mut all: Vec<(String, String)>, place: &Place, token: &str) -> Vec<(String, String)> {
    all.extend(container_credentials(place, token));
    let kind = all
        .iter_mut()
        .find(|(name, kind)| name == "AWS_LAMBDA_INITIALIZATION_TYPE" && kind == "on-demand");
    if let Some((_, kind)) = kind {
        *kind = "snap-start".to_owned();
    }
    all
}

/// What an environment of provisioned concurrency is told about itself.
pub(crate) fn provisioned(all: &mut [(String, String)]) {
    let kind = all
        .iter_mut()
        .find(|(name, _)| name == "AWS_LAMBDA_INITIALIZATION_TYPE");
    if let Some((_, kind)) = kind {
        *kind = "provisioned-concurrency".to_owned();
    }
}

fn container_credentials(place: &Place, token: &str) -> [(String, String); 2] {
    let uri = format!("http://127.0.0.1:{}/2021-04-23/credentials", place.api_port);
    [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(), uri),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN".to_owned(), token.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_spec;
    use danbi_core::{SecretKey, Timestamp};

    #[test]
    fn a_function_cannot_replace_what_the_platform_sets() {
        let mut spec = test_spec();
        spec.environment.insert("AWS_REGION".into(), "moon-1".into());
        spec.environment.insert("TZ".into(), "Asia/Seoul".into());
        spec.environment.insert("COLOUR".into(), "blue".into());
        let credentials = SessionCredentials {
            access_key_id: "ASIAEXAMPLE".into(),
            secret: SecretKey::new("s"),
            session_token: "t".into(),
            expires: Timestamp::from_millis(0),
            warning: None,
        };
        spec.environment
            .insert("AWS_CA_BUNDLE".into(), "/var/task/own.pem".into());
        let folder = tempfile::tempdir().unwrap();
        let bootstraps = Bootstraps::write(folder.path(), Some("certificates")).unwrap();
        let place = Place::of(&spec, Isolation::Namespaces, &bootstraps);
        let all: BTreeMap<_, _> = variables(&spec, &place, Some(13), None, "stream", &credentials, true)
            .into_iter()
            .collect();
        assert_eq!(all["AWS_REGION"], "us-east-1");
        assert_eq!(all["TZ"], "Asia/Seoul");
        assert_eq!(all["COLOUR"], "blue");
        assert_eq!(all["AWS_LAMBDA_RUNTIME_API"], "127.0.0.1:9001");
        assert_eq!(all["AWS_ENDPOINT_URL"], "http://127.0.0.1:4566");
        assert_eq!(all["AWS_CA_BUNDLE"], "/var/task/own.pem");
        assert_eq!(all["NODE_EXTRA_CA_CERTS"], "/var/runtime/ca-cert.pem");
        assert_eq!(all["AWS_ACCESS_KEY_ID"], "ASIAEXAMPLE");
        assert_eq!(all["LAMBDA_TASK_ROOT"], "/var/task");
        assert!(all["PYTHONPATH"].starts_with("/opt/python/lib/python3.13/site-packages:"));
    }
}

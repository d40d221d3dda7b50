//! `danbi serve`: the composition root. Here, and nowhere else, the parts meet.

use crate::cli::{Isolation, NewBuckets, S3Dialect, ServeArgs};
use crate::data_folder::{DataFolder, DataFolderError};
use crate::delays::Delays;
use crate::eventing::{self, Eventing};
use crate::gateway::{Drain, Front, Limits, SandboxDoor, Server, Tls};
use crate::platform::Platform;
use danbi_apigateway::{ApiGateway, ApiPolicies};
use danbi_blobs::Blobs;
use danbi_cloudformation::{Callbacks, CloudFormation};
use danbi_core::{AccountId, Accounts, Clock, SystemClock};
use danbi_dynamodb::{DynamoDb, TablePolicies};
use danbi_iam::{
    Credentials, Directory, GivenRootKey, KnownAccounts, PolicyAuthorizer, RootCredentials, Sessions, iam, sts,
};
use danbi_kms::{KeyPolicies, Kms};
use danbi_lambda::{Lambda, ResourcePolicies};
use danbi_logs::Logs;
use danbi_logs::metrics::Metrics;
use danbi_rds::Rds;
use danbi_runtime::Runtime;
use danbi_s3::{Authority, S3};
use danbi_sandbox::{Launcher, LauncherOptions};
use danbi_sqs::Sqs;
use danbi_store::{EmbeddedOptions, Store};
use danbi_wire::{ApiDoor, Dispatcher, Service};
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How long requests and invocations under way may take to finish once the platform was asked to end.
const DRAIN_GRACE: Duration = Duration::from_secs(30);

/// How often unreferenced blobs are looked for, and how old they must be: far longer than any request takes between
/// writing bytes and the commit that refers to them.
const COLLECT_EVERY: Duration = Duration::from_secs(3600);
const COLLECT_GRACE: Duration = Duration::from_secs(6 * 3600);

/// Why the platform did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    #[error("cannot listen on {address}: {source}; {}", listen_advice(source))]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Iam(#[from] danbi_iam::IamError),
    #[error(transparent)]
    Store(#[from] danbi_store::StoreError),
    #[error(transparent)]
    Blobs(#[from] danbi_blobs::BlobError),
    #[error(transparent)]
    Sandbox(#[from] danbi_sandbox::SandboxError),
    #[error(transparent)]
    Runtime(#[from] danbi_runtime::RuntimeError),
    #[error("the functions could not be taken up again: {0}")]
    Lambda(danbi_core::ServiceError),
    #[error("the tables could not be taken up again: {0}")]
    DynamoDb(#[from] danbi_dynamodb::Error),
    #[error("the buckets could not be taken up again: {0}")]
    S3(danbi_s3::Error),
    #[error("the keys could not be taken up again: {0}")]
    Kms(#[from] danbi_kms::Error),
    #[error("the queues could not be taken up again: {0}")]
    Sqs(#[from] danbi_sqs::Error),
    #[error("the databases could not be taken up again: {0}")]
    Rds(#[from] danbi_rds::Error),
    #[error("{0}")]
    Environment(String),
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

fn listen_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there; choose another port with --listen, or 0 for any free one"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need more rights; choose another one with --listen",
        io::ErrorKind::AddrNotAvailable => "no network interface has this address; choose another one with --listen",
        _ => "choose another address with --listen",
    }
}

/// Serves until SIGTERM or SIGINT. 0 after a graceful end, 1 when it could not start.
pub fn serve(args: ServeArgs) -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("danbi: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &ServeArgs) -> Result<(), ServeError> {
    let folder = DataFolder::open(&args.data_folder())?;
    let isolation = isolation(args);
    // Finding out what the machine allows takes as long as opening the store: side by side they cost half.
    let launcher = std::thread::spawn(move || {
        Launcher::start(LauncherOptions {
            isolation,
            ..LauncherOptions::default()
        })
    });
    let store = Store::open_embedded(&folder.path().join("store"), EmbeddedOptions::default())?;
    let launcher = launcher
        .join()
        .map_err(|_| ServeError::Environment("the sandbox launcher failed to start".into()))??;
    for mechanism in launcher
        .capabilities()
        .mechanisms
        .iter()
        .filter(|mechanism| !mechanism.available)
    {
        tracing::warn!("{}: {}; {}", mechanism.name, mechanism.detail, mechanism.advice);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("danbi")
        .build()?;
    let served = runtime.block_on(serve_until_told(args, &folder, store, Arc::new(launcher)));
    runtime.shutdown_timeout(Duration::from_secs(5));
    served
}

async fn serve_until_told(
    args: &ServeArgs,
    folder: &DataFolder,
    store: Store,
    launcher: Arc<Launcher>,
) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let data = folder.path();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let account = args.account_id.clone();
    let delays = Delays::from_environment(|name| std::env::var(name).ok()).map_err(ServeError::Environment)?;

    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|source| ServeError::Listen {
            address: args.listen,
            source,
        })?;
    let address = listener.local_addr()?;

    let tls = Arc::new(Tls::new(data.to_owned()));
    let given = GivenRootKey::from_environment(|name| std::env::var(name).ok())?;
    let root = RootCredentials::open(data, given)?;
    let accounts: Arc<dyn Accounts> = Arc::new(KnownAccounts::of(&root, &account));
    // Functions are told at their start what to trust; making it takes no longer than the store's first reads.
    let (sessions, bundle) = tokio::join!(Sessions::open(&store, Arc::clone(&clock)), tls.bundle());
    let sessions = Arc::new(sessions?);
    let directory = Arc::new(Directory::new(store.clone(), Arc::clone(&clock), Arc::clone(&sessions)));
    let identity = identity_services(&store, &clock, &directory, &sessions, &root, &account);
    let credentials = Arc::new(Credentials::new(
        root,
        account.clone(),
        sessions,
        Arc::clone(&directory),
    ));
    let blobs = match &args.blobs {
        Some(url) => Blobs::open_remote(url).await?,
        None => Blobs::open(&data.join("blobs")).await?,
    };
    let logs = Logs::start(store.clone(), Arc::clone(&clock), danbi_logs::Options::default());

    let metrics = Metrics::start(
        store.clone(),
        Arc::clone(&clock),
        danbi_logs::metrics::Options::default(),
    );

    let (switch, drain) = Drain::new();
    let door = Arc::new(SandboxDoor::default());
    match bundle {
        Ok(bundle) => door.open_tls(bundle),
        Err(error) => tracing::warn!(%error, "there is no certificate authority, so TLS is not served"),
    }
    let mut options = danbi_runtime::Options {
        platform: Some(Arc::clone(&door) as _),
        ..danbi_runtime::Options::for_this_machine(data.join("run/bootstrap"))
    };
    options.app_idle_timeout = delays.app_idle.unwrap_or(options.app_idle_timeout);
    let roles = Arc::clone(&directory) as _;
    let runtime = Runtime::start(
        options,
        Arc::clone(&launcher),
        Arc::clone(&logs) as _,
        roles,
        Arc::clone(&clock),
    )?;

    let authorizer = Arc::new(
        PolicyAuthorizer::new(Arc::clone(&clock), Arc::clone(&directory) as _)
            .with_resource_policies("iam", Arc::new(iam::IamResources::new(store.clone())))
            .with_resource_policies("sts", Arc::new(sts::TrustPolicies::new(store.clone())))
            .with_resource_policies("lambda", Arc::new(ResourcePolicies::new(store.clone())))
            .with_resource_policies("dynamodb", Arc::new(TablePolicies::new(store.clone())))
            .with_resource_policies("kms", Arc::new(KeyPolicies::new(store.clone())))
            .with_resource_policies("events", Arc::new(danbi_events::BusPolicies::new(store.clone())))
            .with_resource_policies("sns", Arc::new(danbi_sns::TopicPolicies::new(store.clone())))
            .with_resource_policies("sqs", Arc::new(danbi_sqs::QueuePolicies::new(store.clone())))
            .with_resource_policies("execute-api", Arc::new(ApiPolicies::new(store.clone())))
            .with_resource_policies("s3", Arc::new(Authority::new(store.clone(), Arc::clone(&accounts)))),
    );
    let mut options = danbi_kms::Options::default();
    if let Some([every, day]) = delays.kms_due {
        (options.due_every, options.day) = (every, day);
    }
    let kms = Kms::start(danbi_kms::Parts {
        store: store.clone(),
        clock: Arc::clone(&clock),
        authorizer: Arc::clone(&authorizer) as _,
        language: Arc::clone(&authorizer) as _,
        master_key: data.join("kms.key"),
        options,
    })
    .await?;
    let mut options = danbi_s3::Options {
        new_buckets: match args.new_buckets {
            NewBuckets::Guarded => danbi_s3::NewBuckets::Guarded,
            NewBuckets::Open => danbi_s3::NewBuckets::Open,
        },
        dialect: match args.s3_dialect {
            S3Dialect::Aws => danbi_s3::Dialect::Aws,
            S3Dialect::Ceph => danbi_s3::Dialect::Ceph,
        },
        ..danbi_s3::Options::default()
    };
    if let Some([every, day]) = delays.s3_lifecycle {
        (options.lifecycle_every, options.lifecycle_day) = (every, danbi_s3::Days::Of(day));
    }
    let s3 = S3::start(danbi_s3::Parts {
        store: store.clone(),
        blobs: blobs.clone(),
        clock: Arc::clone(&clock),
        authorizer: Arc::clone(&authorizer) as _,
        accounts,
        language: Arc::clone(&authorizer) as _,
        master_key: data.join("s3.key"),
        data_keys: Some(Arc::clone(&kms) as _),
        options,
    })
    .await
    .map_err(ServeError::S3)?;

    let mut options = danbi_sqs::Options::default();
    if let Some([sweep, rest]) = delays.queues {
        options.sweep_every = sweep;
        (options.rest_of_names, options.rest_of_purges) = (rest, rest);
    }
    let sqs = Sqs::start(danbi_sqs::Parts {
        store: store.clone(),
        clock: Arc::clone(&clock),
        authorizer: Arc::clone(&authorizer) as _,
        language: Arc::clone(&authorizer) as _,
        data_keys: Some(Arc::clone(&kms) as _),
        master_key: data.join("sqs.key"),
        options,
    })
    .await?;

    let api = Arc::new(ApiDoor::default());
    let mut options = danbi_lambda::Options::new(data.join("cache"));
    options.retry_delays = delays.async_retries.unwrap_or(options.retry_delays);
    options.source_retry = delays.source_retry.unwrap_or(options.source_retry);
    if let Some([every, age]) = delays.collect {
        (options.collect_every, options.code_grace) = (every, age);
    }
    if let Some([first, longest]) = delays.deliveries {
        (options.departures.first_pause, options.departures.longest_pause) = (first, longest);
    }
    let lambda = Lambda::start(danbi_lambda::Parts {
        store: store.clone(),
        blobs: blobs.clone(),
        executor: Arc::new(runtime.clone()),
        clock: Arc::clone(&clock),
        authorizer: Arc::clone(&authorizer) as _,
        objects: Some(Arc::clone(&s3) as _),
        reach: Some(danbi_lambda::Reach {
            api: Arc::clone(&api) as _,
            roles: Arc::clone(&directory) as _,
        }),
        metrics: Some(Arc::clone(&metrics) as _),
        options,
    })
    .await
    .map_err(|error| ServeError::Lambda(error.into()))?;
    s3.tell_events_to(danbi_s3::Listeners {
        invoker: Arc::clone(&lambda) as _,
        api: Arc::clone(&api) as _,
    });

    let dynamodb = DynamoDb::start(danbi_dynamodb::Parts {
        store: store.clone(),
        clock: Arc::clone(&clock),
        policies: Some(Arc::clone(&authorizer) as _),
        api: Some(Arc::clone(&api) as _),
        options: danbi_dynamodb::Options {
            expire_every: delays.expire,
            trim_every: delays.trim.map(|[every, _]| every),
            stream_retention: delays.trim.map(|[_, age]| age),
            throttle: args.throttle_tables,
        },
    })
    .await?;

    let parts = eventing::Parts {
        store: store.clone(),
        clock: Arc::clone(&clock),
        invoker: Arc::clone(&lambda) as _,
        api: Arc::clone(&api) as _,
        roles: Some(Arc::clone(&directory) as _),
        logs: Arc::clone(&logs) as _,
        data_keys: Arc::clone(&kms) as _,
    };
    let eventing = Eventing::start(parts, &delays);
    let apis = ApiGateway::new(danbi_apigateway::Parts {
        store: store.clone(),
        clock: Arc::clone(&clock),
        invoker: Arc::clone(&lambda) as _,
        api: Arc::clone(&api) as _,
        roles: Arc::clone(&directory) as _,
        authorizer: Arc::clone(&authorizer) as _,
        language: Arc::clone(&authorizer) as _,
        logs: Arc::clone(&logs) as _,
        metrics: Some(Arc::clone(&metrics) as _),
        own_port: Some(address.port()),
    });

    let stacks = CloudFormation::new(danbi_cloudformation::Parts {
        store: store.clone(),
        clock: Arc::clone(&clock),
        api: Arc::clone(&api) as _,
        roles: Some(Arc::clone(&directory) as _),
        objects: Some(Arc::clone(&s3) as _),
        options: stack_options(
            args,
            address,
            danbi_runtime::PlatformDoor::certificates(&*door).is_some(),
            &delays,
        ),
    });

    let rds = databases(args, data, &store, &blobs, &clock, &launcher, &tls, &delays).await?;
    door.open_databases(Arc::clone(&rds));
    let mut services = vec![
        apis.service(),
        danbi_lambda::service(Arc::clone(&lambda)),
        danbi_s3::service(Arc::clone(&s3)),
        kms.service(),
        dynamodb.service(),
        dynamodb.streams_service(),
        logs.service(),
        metrics.service(),
        danbi_rds::service(Arc::clone(&rds)),
        danbi_rds::data_service(Arc::clone(&rds)),
        sqs.service(),
        danbi_cloudformation::service(Arc::clone(&stacks)),
    ];
    services.extend(identity);
    services.extend(eventing.services());
    let dispatcher = Arc::new(Dispatcher::new(
        services,
        credentials,
        Arc::clone(&authorizer) as _,
        clock,
        account,
    ));
    api.open(&dispatcher);
    stacks.start();
    let platform = Platform::new(dispatcher, Arc::clone(&lambda), Arc::clone(&s3), apis);
    let platform = platform
        .with_stacks(Callbacks::new(Arc::clone(&stacks)))
        .with_front(Front {
            domain: args.domain.clone(),
            proxies: args.trusted_proxies.clone(),
        });
    let platform = Arc::new(platform.with_runtime(runtime.clone()));
    let server = Server::new(Arc::clone(&platform), Limits::default(), drain).with_tls(Arc::clone(&tls));
    door.open(server.clone());

    let collecting = tokio::spawn(collect_blobs(
        blobs,
        Arc::clone(&lambda),
        Arc::clone(&s3),
        Arc::clone(&rds),
        delays.collect.unwrap_or([COLLECT_EVERY, COLLECT_GRACE]),
    ));
    let mut serving = tokio::spawn(server.serve(listener, DRAIN_GRACE));
    println!("danbi ready on http://{address}");
    io::stdout().flush()?;
    if let Err(error) = danbi_sandbox::release_code() {
        tracing::debug!(%error, "what only the start needed stays resident");
    }

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = &mut serving => return Err(ServeError::Environment("the listener ended by itself".into())),
    }
    tracing::info!("draining");
    collecting.abort();
    // A live tail has no end of its own.
    logs.end_sessions();
    switch.send_replace(true);
    // A task that panicked has said so; the rest must still be drained.
    let _ = serving.await;
    platform.drain(DRAIN_GRACE).await;
    stacks.drain(DRAIN_GRACE).await;
    eventing.drain().await;
    lambda.drain(DRAIN_GRACE).await;
    s3.drain(DRAIN_GRACE).await;
    dynamodb.drain().await;
    // After those that send.
    sqs.drain().await;
    kms.drain().await;
    runtime.drain(DRAIN_GRACE).await;
    // After the functions, which use them.
    rds.drain(DRAIN_GRACE).await;
    door.close().await;
    logs.drain().await;
    metrics.drain().await;
    store.close().await;
    tracing::info!("drained");
    Ok(())
}

/// IAM and STS.
fn identity_services(
    store: &Store,
    clock: &Arc<dyn Clock>,
    directory: &Arc<Directory>,
    sessions: &Arc<Sessions>,
    root: &RootCredentials,
    account: &AccountId,
) -> [Service; 2] {
    let (store, directory, sessions) = (|| store.clone(), || Arc::clone(directory), || Arc::clone(sessions));
    let iam = iam::Iam::new(store(), Arc::clone(clock), directory(), sessions(), root, account);
    let sts = sts::Sts::new(store(), directory(), sessions(), root, account);
    [iam::service(Arc::new(iam)), sts::service(Arc::new(sts))]
}

/// RDS, with the platform's certificates for clients that ask for them.
#[allow(clippy::too_many_arguments)] // Each is a part that meets the others here.
async fn databases(
    args: &ServeArgs,
    data: &Path,
    store: &Store,
    blobs: &Blobs,
    clock: &Arc<dyn Clock>,
    launcher: &Arc<Launcher>,
    tls: &Arc<Tls>,
    delays: &Delays,
) -> Result<Arc<Rds>, ServeError> {
    let mut options = danbi_rds::Options {
        ports: args.database_ports.clone(),
        ..danbi_rds::Options::default()
    };
    if let Some([idle, archive]) = delays.databases {
        (options.idle, options.archive_every) = (idle, archive);
    }
    if let Some([every, day]) = delays.database_backups {
        (options.backup_every, options.day) = (every, day);
    }
    let parts = danbi_rds::Parts {
        store: store.clone(),
        blobs: blobs.clone(),
        clock: Arc::clone(clock),
        launcher: Arc::clone(launcher),
        isolation: isolation(args),
        folder: data.join("databases"),
        tls: Some(Arc::clone(tls) as _),
        options,
    };
    Ok(Rds::start(parts).await?)
}

/// Custom resources answer to one of S3's names where functions reach the platform by them, else to the address that they
/// know it by.
fn stack_options(
    args: &ServeArgs,
    address: SocketAddr,
    serves_tls: bool,
    delays: &Delays,
) -> danbi_cloudformation::Options {
    let mut options = danbi_cloudformation::Options::default();
    match args.isolation {
        Isolation::Process => options.answers = Some(format!("http://{address}")),
        Isolation::Namespaces if serves_tls => options.answers = None,
        Isolation::Namespaces => {}
    }
    if let Some([every, age]) = delays.forget_stacks {
        (options.forget_every, options.forget_after) = (every, age);
    }
    options
}

fn isolation(args: &ServeArgs) -> danbi_sandbox::Isolation {
    match args.isolation {
        Isolation::Namespaces => danbi_sandbox::Isolation::Namespaces,
        Isolation::Process => danbi_sandbox::Isolation::Process,
    }
}

/// Removes the bytes that no record refers to, now and then, for as long as the platform runs.
async fn collect_blobs(blobs: Blobs, lambda: Arc<Lambda>, s3: Arc<S3>, rds: Arc<Rds>, [every, grace]: [Duration; 2]) {
    loop {
        tokio::time::sleep(every).await;
        let (lambda, s3, rds) = (&lambda, &s3, &rds);
        let is_used = |id| async move {
            let used = lambda.uses_blob(&id).await.map_err(danbi_core::ServiceError::from)?;
            if used || s3.uses_blob(&id).await? {
                return Ok::<_, danbi_core::ServiceError>(true);
            }
            Ok(rds.uses_blob(&id).await?)
        };
        match blobs.collect(grace, is_used).await {
            Ok(collected) if collected.removed > 0 => {
                tracing::info!(removed = collected.removed, "unreferenced blobs were removed")
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "unreferenced blobs could not be removed; trying again later"),
        }
    }
}

//! `danbi db`: databases from the command line.

use super::Target;
use super::failure::Failure;
use super::platform::{Element, Platform};
use clap::{Args, Subcommand};
use danbi_core::uri;
use serde_json::{Value, json};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// How often a database is asked whether it is there.
const PAUSE: Duration = Duration::from_millis(200);
/// How long it may take to be made, or restored.
const READY_TIME_OUT: Duration = Duration::from_secs(3600);
/// Characters of a database's name in its server.
const LONGEST_NAME: usize = 63;

/// What `danbi db` is told.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "A database sleeps when nobody uses it and wakes for the first connection.\n\
                  Everything speaks RDS: the AWS CLI and boto3 see the same databases."
)]
pub struct DbArgs {
    /// What to do
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Clone, Subcommand)]
enum Verb {
    /// Make a database and print where it is, with its password
    Create(CreateArgs),
    /// Show the databases
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Print where a database is
    Url(NameArgs),
    /// Talk SQL to a database with the client that is installed
    #[command(visible_alias = "sql")]
    Shell(ShellArgs),
    /// Take a snapshot of a database
    #[command(visible_alias = "snapshot")]
    Backup(BackupArgs),
    /// Show the snapshots
    Snapshots(ListArgs),
    /// Make a new database of a snapshot, or as another one was at a moment
    Restore(RestoreArgs),
    /// Start a database that was stopped
    Start(NameArgs),
    /// Stop a database until it is started again
    Stop(NameArgs),
    /// Remove a database and its automatic backups; snapshots stay
    #[command(visible_alias = "rm")]
    Delete(NameArgs),
}

/// Which server a database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    Mysql,
    Postgres,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::Mysql => "mysql",
            Self::Postgres => "postgres",
        }
    }

    /// The master user: `admin` is a word that PostgreSQL's RDS keeps for itself.
    fn user(self) -> &'static str {
        match self {
            Self::Mysql => "admin",
            Self::Postgres => "postgres",
        }
    }
}

#[derive(Debug, Clone, Args)]
struct CreateArgs {
    /// The database's name
    name: String,
    /// Which server it has
    #[arg(long, value_enum, default_value = "mysql")]
    engine: Engine,
    /// The password of its master user [default: a random one, printed once]
    #[arg(long, env = "DANBI_DB_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// For how many days any second can be restored; 0 is no backups
    #[arg(long, default_value_t = 1, value_name = "DAYS")]
    retention: u8,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct ListArgs {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct NameArgs {
    /// The database
    name: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct ShellArgs {
    /// The database
    name: String,
    /// Run these statements and leave
    #[arg(short = 'e', long, value_name = "SQL")]
    execute: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct BackupArgs {
    /// The database
    name: String,
    /// The snapshot's name [default: the database's with the time]
    snapshot: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct RestoreArgs {
    /// The snapshot, or with --to the database as it was
    from: String,
    /// The new database's name
    name: String,
    /// The moment, such as 2026-01-31T12:34:56Z, or `latest`
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl DbArgs {
    /// Whether the answer is JSON.
    pub fn json(&self) -> bool {
        match &self.verb {
            Verb::Create(args) => args.target.json,
            Verb::List(args) | Verb::Snapshots(args) => args.target.json,
            Verb::Shell(args) => args.target.json,
            Verb::Backup(args) => args.target.json,
            Verb::Restore(args) => args.target.json,
            Verb::Url(args) | Verb::Start(args) | Verb::Stop(args) | Verb::Delete(args) => args.target.json,
        }
    }
}

/// Runs the verb.
pub async fn run(args: DbArgs) -> Result<ExitCode, Failure> {
    match args.verb {
        Verb::Create(args) => create(args).await,
        Verb::List(args) => list(args).await,
        Verb::Url(args) => url(args).await,
        Verb::Shell(args) => return shell(args).await,
        Verb::Backup(args) => backup(args).await,
        Verb::Snapshots(args) => snapshots(args).await,
        Verb::Restore(args) => restore(args).await,
        Verb::Start(args) => turn(args, "StartDBInstance", "start", &["available"]).await,
        Verb::Stop(args) => turn(args, "StopDBInstance", "stop", &["stopped"]).await,
        Verb::Delete(args) => turn(args, "DeleteDBInstance", "delete", &[]).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

/// A database as the platform describes it.
struct Found {
    name: String,
    status: String,
    engine: String,
    port: String,
    host: String,
    database: String,
    user: String,
    reason: String,
}

impl Found {
    fn of(instance: &Element) -> Self {
        let text = |name: &str| instance.text_of(name).to_owned();
        let endpoint = instance.all("Endpoint").next().cloned().unwrap_or_default();
        let infos = instance.all("StatusInfos").next().cloned().unwrap_or_default();
        Self {
            name: text("DBInstanceIdentifier"),
            status: text("DBInstanceStatus"),
            engine: format!("{} {}", text("Engine"), text("EngineVersion")),
            port: endpoint.text_of("Port").to_owned(),
            host: endpoint.text_of("Address").to_owned(),
            database: text("DBName"),
            user: text("MasterUsername"),
            reason: infos
                .children
                .first()
                .map(|info| info.text_of("Message").to_owned())
                .unwrap_or_default(),
        }
    }

    fn url(&self, password: Option<&str>) -> String {
        let password = password
            .map(|password| format!(":{}", uri::encode(password, uri::RESERVED)))
            .unwrap_or_default();
        let scheme = if self.is_postgres() { "postgresql" } else { "mysql" };
        format!(
            "{scheme}://{}{password}@127.0.0.1:{}/{}",
            self.user, self.port, self.database
        )
    }

    fn is_postgres(&self) -> bool {
        self.engine.contains("postgres")
    }

    fn document(&self) -> Value {
        json!({
            "name": self.name, "status": self.status, "engine": self.engine, "url": self.url(None),
            "host": self.host, "port": self.port.parse::<u16>().ok(), "user": self.user, "database": self.database,
        })
    }
}

/// The name of the first database in the server: letters, digits and underscores, of which the first is no digit.
fn first_database(name: &str) -> String {
    name.replace('-', "_").chars().take(LONGEST_NAME).collect()
}

async fn find(platform: &Platform, what: &str, name: &str) -> Result<Found, Failure> {
    let answer = platform
        .rds(
            what,
            "DescribeDBInstances",
            &[("DBInstanceIdentifier", name.to_owned())],
        )
        .await?;
    let list = answer.all("DBInstances").next().cloned().unwrap_or_default();
    let first = list
        .children
        .first()
        .ok_or_else(|| Failure::new(what, "the platform does not describe it"))?;
    Ok(Found::of(first))
}

/// Waits until a database is in one of the states; gone is one too when there are none.
async fn settled(platform: &Platform, what: &str, name: &str, states: &[&str]) -> Result<Option<Found>, Failure> {
    let waiting = async {
        loop {
            match find(platform, what, name).await {
                Ok(found) if states.contains(&found.status.as_str()) => return Ok(Some(found)),
                Ok(found) if found.status == "failed" => return Err(Failure::new(what, found.reason)),
                Ok(_) => {}
                Err(failure) if states.is_empty() && failure.is("DBInstanceNotFound") => return Ok(None),
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let late = |_| Failure::new(what, format!("it is not ready after {} s", READY_TIME_OUT.as_secs()));
    tokio::time::timeout(READY_TIME_OUT, waiting).await.map_err(late)?
}

async fn create(args: CreateArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let what = format!("cannot make the database {}", args.name);
    let password = args
        .password
        .unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
    let platform = Platform::find_or_start(&args.target, &output).await?;
    let input = [
        ("DBInstanceIdentifier", args.name.clone()),
        ("Engine", args.engine.name().to_owned()),
        ("DBInstanceClass", "db.t3.micro".to_owned()),
        ("AllocatedStorage", "20".to_owned()),
        ("DBName", first_database(&args.name)),
        ("MasterUsername", args.engine.user().to_owned()),
        ("MasterUserPassword", password.clone()),
        ("BackupRetentionPeriod", args.retention.to_string()),
    ];
    platform.rds(&what, "CreateDBInstance", &input).await?;
    output.step(format!("waiting for the database {}", args.name));
    let found = settled(&platform, &what, &args.name, &["available"]).await?;
    output.done();
    if let Some(found) = found {
        let url = found.url(Some(&password));
        output.line(&url);
        let mut document = found.document();
        document["url"] = url.into();
        document["password"] = password.into();
        output.document(&document);
    }
    Ok(())
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let platform = Platform::find(&args.target).await?;
    let what = "cannot list the databases";
    let (mut found, mut marker) = (Vec::new(), Vec::new());
    loop {
        let answer = platform.rds(what, "DescribeDBInstances", &marker).await?;
        let list = answer.all("DBInstances").next().cloned().unwrap_or_default();
        found.extend(list.children.iter().map(Found::of));
        match answer.text_of("Marker") {
            "" => break,
            next => marker = vec![("Marker", next.to_owned())],
        }
    }
    for one in &found {
        output.line(format!(
            "{:<24} {:<12} {:<18} {}",
            one.name,
            one.status,
            one.engine,
            one.url(None)
        ));
    }
    if found.is_empty() {
        output.warn("there is no database yet: `danbi db create NAME` makes one");
    }
    let databases: Vec<Value> = found.iter().map(Found::document).collect();
    output.document(&json!({"databases": databases}));
    Ok(())
}

async fn url(args: NameArgs) -> Result<(), Failure> {
    let platform = Platform::find(&args.target).await?;
    let found = find(&platform, "cannot tell where the database is", &args.name).await?;
    let output = args.target.output();
    output.line(found.url(None));
    output.document(&found.document());
    Ok(())
}

async fn shell(args: ShellArgs) -> Result<ExitCode, Failure> {
    let platform = Platform::find(&args.target).await?;
    let what = format!("cannot talk to the database {}", args.name);
    let found = find(&platform, &what, &args.name).await?;
    if found.port.is_empty() || found.status == "stopped" {
        let failure = Failure::new(&what, format!("it is {}", found.status));
        return Err(match found.status.as_str() {
            "stopped" => failure.next(format!("start it: `danbi db start {}`", args.name)),
            _ => failure,
        });
    }
    let (mut client, advice) = match found.is_postgres() {
        true => (
            psql(&found, args.execute.as_deref()),
            "install the client: `apt install postgresql-client`",
        ),
        false => (
            mariadb(&found, args.execute.as_deref()),
            "install the client: `apt install mariadb-client`",
        ),
    };
    let status = client
        .status()
        .map_err(|error| Failure::new(&what, error).next(advice))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// It asks for the password itself, unless `MYSQL_PWD` says it.
fn mariadb(found: &Found, sql: Option<&str>) -> Command {
    let mut client = Command::new("mariadb");
    client.args([
        "--host=127.0.0.1",
        "--protocol=tcp",
        "--port",
        &found.port,
        "--user",
        &found.user,
    ]);
    if std::env::var_os("MYSQL_PWD").is_none() {
        client.arg("--password");
    }
    if let Some(sql) = sql {
        client.args(["--execute", sql]);
    }
    client.arg(&found.database);
    client
}

/// The same with `PGPASSWORD` or `~/.pgpass`.
fn psql(found: &Found, sql: Option<&str>) -> Command {
    let mut client = Command::new("psql");
    let database = if found.database.is_empty() {
        "postgres"
    } else {
        found.database.as_str()
    };
    client.args([
        "--host=127.0.0.1",
        "--port",
        &found.port,
        "--username",
        &found.user,
        "--dbname",
        database,
    ]);
    if let Some(sql) = sql {
        client.args(["--set=ON_ERROR_STOP=1", "--command", sql]);
    }
    client
}

async fn backup(args: BackupArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let what = format!("cannot back up the database {}", args.name);
    let platform = Platform::find(&args.target).await?;
    let now = time::OffsetDateTime::now_utc();
    let default = || format!("{}-{}", args.name, now.unix_timestamp());
    let snapshot = args.snapshot.clone().unwrap_or_else(default);
    let input = [
        ("DBInstanceIdentifier", args.name.clone()),
        ("DBSnapshotIdentifier", snapshot.clone()),
    ];
    platform.rds(&what, "CreateDBSnapshot", &input).await?;
    output.step(format!("taking the snapshot {snapshot}"));
    loop {
        let asked = [("DBSnapshotIdentifier", snapshot.clone())];
        let answer = platform.rds(&what, "DescribeDBSnapshots", &asked).await?;
        let list = answer.all("DBSnapshots").next().cloned().unwrap_or_default();
        match list.children.first().map(|one| one.text_of("Status")) {
            Some("available") => break,
            Some("creating") => tokio::time::sleep(PAUSE).await,
            _ => return Err(Failure::new(what, "the snapshot failed; the platform's log says why")),
        }
    }
    output.done();
    output.line(&snapshot);
    output.document(&json!({"snapshot": snapshot, "name": args.name}));
    Ok(())
}

async fn snapshots(args: ListArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let platform = Platform::find(&args.target).await?;
    let what = "cannot list the snapshots";
    let (mut found, mut marker) = (Vec::new(), Vec::new());
    loop {
        let answer = platform.rds(what, "DescribeDBSnapshots", &marker).await?;
        let list = answer.all("DBSnapshots").next().cloned().unwrap_or_default();
        found.extend(list.children);
        match answer.text_of("Marker") {
            "" => break,
            next => marker = vec![("Marker", next.to_owned())],
        }
    }
    let mut documents = Vec::new();
    for one in &found {
        let text = |name: &str| one.text_of(name).to_owned();
        let (name, of, status) = (
            text("DBSnapshotIdentifier"),
            text("DBInstanceIdentifier"),
            text("Status"),
        );
        let taken = text("SnapshotCreateTime");
        output.line(format!("{name:<32} {of:<24} {status:<12} {taken}"));
        documents.push(json!({"snapshot": name, "name": of, "status": status, "taken": taken}));
    }
    if found.is_empty() {
        output.warn("there is no snapshot yet: `danbi db snapshot NAME` takes one");
    }
    output.document(&json!({"snapshots": documents}));
    Ok(())
}

async fn restore(args: RestoreArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let what = format!("cannot restore {} to {}", args.from, args.name);
    let platform = Platform::find(&args.target).await?;
    let (operation, input) = match &args.to {
        None => (
            "RestoreDBInstanceFromDBSnapshot",
            vec![
                ("DBSnapshotIdentifier", args.from.clone()),
                ("DBInstanceIdentifier", args.name.clone()),
            ],
        ),
        Some(moment) => {
            let when = match moment.as_str() {
                "latest" => ("UseLatestRestorableTime", "true".to_owned()),
                moment => ("RestoreTime", moment.to_owned()),
            };
            let names = [
                ("SourceDBInstanceIdentifier", args.from.clone()),
                ("TargetDBInstanceIdentifier", args.name.clone()),
            ];
            (
                "RestoreDBInstanceToPointInTime",
                names.into_iter().chain([when]).collect(),
            )
        }
    };
    let restoring = platform.rds(&what, operation, &input).await;
    restoring.map_err(|failure| match failure.error_code() {
        Some("MalformedInput") => failure.next("a moment is written as 2026-01-31T12:34:56Z, or `latest`"),
        _ => failure,
    })?;
    output.step(format!("restoring {}", args.name));
    let found = settled(&platform, &what, &args.name, &["available"]).await?;
    output.done();
    if let Some(found) = found {
        output.line(found.url(None));
        output.document(&found.document());
    }
    Ok(())
}

async fn turn(args: NameArgs, operation: &str, verb: &str, states: &[&str]) -> Result<(), Failure> {
    let output = args.target.output();
    let what = format!("cannot {verb} the database {}", args.name);
    let platform = Platform::find(&args.target).await?;
    let mut input = vec![("DBInstanceIdentifier", args.name.clone())];
    if states.is_empty() {
        input.push(("SkipFinalSnapshot", "true".to_owned()));
    }
    platform.rds(&what, operation, &input).await?;
    output.step(format!("waiting for the database {}", args.name));
    settled(&platform, &what, &args.name, states).await?;
    output.done();
    let state = states.first().unwrap_or(&"deleted");
    output.line(format!("{} is {state}", args.name));
    output.document(&json!({"name": args.name, "status": state}));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_names_of_databases() {
        assert_eq!(first_database("to-do"), "to_do");
    }
}

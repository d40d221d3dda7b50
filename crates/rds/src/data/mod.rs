//! The Data API: SQL over HTTPS, for those who hold no connection.
//!
//! Statements run as the master user, whose secret the platform itself made (`ManageMasterUserPassword`): there is no
//! other secret here. A transaction is a server connection of its own, which this node keeps until it is committed, rolled
//! back, unused for [`IDLE`] or older than [`LONGEST`]; when the node ends, it is rolled back.
//!
//! Source: <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.html>.

mod execute;
mod parameters;
mod results;
mod transactions;

pub(crate) use transactions::{Transactions, roll_back_unused};

use crate::data_shapes::operations::*;
use crate::keys::Kind;
use crate::mysql::client as mysql;
use crate::postgres::client as postgres;
use crate::postgres::scram;
use crate::postgres::startup::Start;
use crate::records::{Record, Status};
use crate::server::{Lease, Running};
use crate::{Rds, describe, names};
use danbi_core::{Access, Scope, ServiceError};
use danbi_wire::{Service, models};
use std::sync::Arc;
use std::time::Duration;

/// How long a transaction may stay unused.
const IDLE: Duration = Duration::from_secs(180);
/// How old a transaction may become.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// How long a statement may take; one that is told to go on after that is ended with the transaction.
const STATEMENT: Duration = Duration::from_secs(45);
/// `utf8mb4_general_ci`.
const CHARSET: u8 = 45;

/// The question of every operation: it, on the cluster, and what the secret says.
fn on(action: &'static str, resource: &str, secret: &str) -> Result<Vec<Access>, ServiceError> {
    Ok(vec![
        Access::new(action, resource),
        Access::new("secretsmanager:GetSecretValue", secret),
    ])
}

/// The Data API for the wire.
pub fn service(rds: Arc<Rds>) -> Service {
    Service::builder(&models::RDS_DATA, rds)
        .on(
            ExecuteStatement,
            |_, _, i| on("rds-data:ExecuteStatement", &i.resource_arn, &i.secret_arn),
            execute::statement,
        )
        .on(
            BatchExecuteStatement,
            |_, _, i| on("rds-data:BatchExecuteStatement", &i.resource_arn, &i.secret_arn),
            execute::batch,
        )
        .on(
            BeginTransaction,
            |_, _, i| on("rds-data:BeginTransaction", &i.resource_arn, &i.secret_arn),
            transactions::begin,
        )
        .on(
            CommitTransaction,
            |_, _, i| on("rds-data:CommitTransaction", &i.resource_arn, &i.secret_arn),
            transactions::commit,
        )
        .on(
            RollbackTransaction,
            |_, _, i| on("rds-data:RollbackTransaction", &i.resource_arn, &i.secret_arn),
            transactions::roll_back,
        )
        .build()
}

fn bad_request(message: impl Into<String>) -> ServiceError {
    ServiceError::client("BadRequestException", 400, message.into())
}

/// The error of a database.
fn of_mysql(error: mysql::ClientError) -> ServiceError {
    match error {
        mysql::ClientError::Sql(error) => ServiceError::client(
            "DatabaseErrorException",
            400,
            format!(
                "{}; Error code: {}; SQLState: {}",
                error.message, error.code, error.state
            ),
        ),
        mysql::ClientError::TooLarge => too_large(),
        error => unavailable(&error),
    }
}

fn of_postgres(error: postgres::ClientError) -> ServiceError {
    match error {
        postgres::ClientError::Sql(error) => ServiceError::client(
            "DatabaseErrorException",
            400,
            format!("{}: {}; SQLState: {}", error.severity, error.message, error.code),
        ),
        postgres::ClientError::TooLarge => too_large(),
        error => unavailable(&error),
    }
}

fn too_large() -> ServiceError {
    ServiceError::client(
        "UnsupportedResultException",
        400,
        "Database returned more than the allowed response size limit",
    )
}

fn unavailable(error: &dyn std::fmt::Display) -> ServiceError {
    tracing::warn!(%error, "a database does not answer the Data API");
    ServiceError::server("DatabaseUnavailableException", 504, "The database is not available.")
}

/// The database that a request names, if it may be used by this secret.
async fn database(rds: &Rds, scope: &Scope, resource: &str, secret: &str) -> Result<Record, ServiceError> {
    let missing = || {
        ServiceError::client(
            "DatabaseNotFoundException",
            404,
            format!("The DB cluster {resource} was not found."),
        )
    };
    let (kind, name) = names::of_arn(scope, resource)
        .filter(|(kind, _)| matches!(kind, Kind::Cluster | Kind::Instance))
        .ok_or_else(|| bad_request(format!("Invalid resourceArn: {resource}")))?;
    let record = describe::load(rds, kind, scope, &name).await.map_err(|_| missing())?;
    if !record.has_server() {
        return Err(bad_request(format!(
            "{resource} is a member of a DB cluster: name that."
        )));
    }
    if !record.http_endpoint {
        return Err(ServiceError::client(
            "HttpEndpointNotEnabledException",
            400,
            format!("HttpEndpoint is not enabled for resource {resource}"),
        ));
    }
    match &record.managed {
        Some(managed) if managed.arn == secret => {}
        _ => {
            return Err(ServiceError::client(
                "SecretsErrorException",
                400,
                "Secrets Manager can't find the specified secret.",
            ));
        }
    }
    match record.status {
        Status::Available | Status::BackingUp | Status::Modifying | Status::Rebooting => Ok(record),
        status => Err(ServiceError::client(
            "InvalidResourceStateException",
            400,
            format!("{resource} is {}", status.text()),
        )),
    }
}

/// A connection of the master user.
struct Connected {
    connection: Connection,
    /// Keep the server awake.
    _lease: Lease,
    _running: Arc<Running>,
}

enum Connection {
    MySql(mysql::Connection),
    Postgres(postgres::Connection),
}

async fn connect(
    rds: &Rds,
    record: &Record,
    database: Option<&String>,
    schema: Option<&String>,
) -> Result<Connected, ServiceError> {
    use crate::engines::Family;
    let live = rds.opened(record).map_err(|error| unavailable(&error))?;
    let lease = live.front.database.lease();
    let running = live
        .front
        .database
        .awake(&lease)
        .await
        .map_err(|error| unavailable(&error))?;
    let password = record.managed.as_ref().map(|managed| managed.password.clone());
    let password = password.unwrap_or_default();
    let database = database.filter(|name| !name.is_empty()).or(record.db_name.as_ref());
    let connection = match record.family() {
        Family::MariaDb => {
            let account = mysql::Account {
                user: record.master.clone().into_bytes(),
                secret: crate::mysql::native_password::Secret::of_password(&password),
                capabilities: 0,
                charset: CHARSET,
            };
            // A schema is a database there.
            let database = database.or(schema).map(String::as_bytes).unwrap_or_default();
            let connected = running.log_in(&account, database).await;
            Connection::MySql(connected.map_err(of_mysql)?)
        }
        Family::Postgres => {
            let start = Start {
                user: record.master.clone(),
                database: database.map_or("postgres", String::as_str).to_owned(),
                settings: Default::default(),
            };
            let connected = running
                .postgres_log_in(&start, &scram::Secret::Password(password))
                .await;
            let mut connection = connected.map_err(of_postgres)?;
            if let Some(schema) = schema.filter(|schema| !schema.is_empty()) {
                let sql = format!("SET search_path TO {}", postgres::name(schema));
                connection.run(&sql).await.map_err(of_postgres)?;
            }
            Connection::Postgres(connection)
        }
    };
    Ok(Connected {
        connection,
        _lease: lease,
        _running: running,
    })
}

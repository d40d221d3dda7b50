//! What a new server is given: the master user as RDS has it, the first database, and what archiving needs. Each step may
//! be done again.

use crate::Result;
use crate::backup::wal;
use crate::engines::Family;
use crate::mysql::client as mysql;
use crate::mysql::native_password;
use crate::postgres::client as postgres;
use crate::postgres::scram::Verifier;
use crate::records::{Record, Source};
use crate::server::{Database, Running, ServerError};

/// What the master user of PostgreSQL is a member of.
const SUPERUSER: &str = "rds_superuser";

/// What a server keeps of a password, in its own form.
pub(crate) fn kept(family: Family, password: &str) -> Result<String> {
    match family {
        Family::MariaDb => Ok(native_password::Secret::of_password(password).kept().text()),
        Family::Postgres => {
            let made = Verifier::of_password(password).map_err(|error| ServerError::Files(error.to_string()))?;
            Ok(made.text())
        }
    }
}

/// Makes a new server the one that the record describes.
pub(crate) async fn new_server(database: &Database, record: &Record) -> Result<()> {
    let lease = database.lease();
    let running = database.awake(&lease).await?;
    match database.family() {
        Family::MariaDb => Ok(new_mariadb(&running, record).await.map_err(ServerError::from)?),
        Family::Postgres => Ok(new_postgres(&running, record).await.map_err(ServerError::from)?),
    }
}

/// Gives the master user a new password, in the form that the server keeps.
pub(crate) async fn new_password(running: &Running, record: &Record, password: &str) -> Result<()> {
    match record.family() {
        Family::MariaDb => Ok(mariadb_password(running, record, password)
            .await
            .map_err(ServerError::from)?),
        Family::Postgres => {
            let changing = async {
                let mut admin = running.postgres_admin("postgres").await?;
                postgres_master(&mut admin, &record.master, password).await
            };
            Ok(changing.await.map_err(ServerError::from)?)
        }
    }
}

async fn new_mariadb(running: &Running, record: &Record) -> Result<(), mysql::ClientError> {
    let mut admin = running.admin().await?;
    let mut statements = Vec::new();
    if record.source == Source::Nothing {
        statements.extend(crate::server::CLOSE_MARIADB.map(str::to_owned));
    }
    if let Some(password) = &record.new_password {
        statements.push("SET SESSION sql_log_bin = 1".to_owned());
        statements.extend(mariadb_master(&record.master, password));
    }
    if let (Some(name), Source::Nothing) = (&record.db_name, &record.source) {
        statements.push(format!("CREATE DATABASE IF NOT EXISTS {}", mysql::name(name)));
    }
    for sql in statements {
        admin.run(&sql).await?;
    }
    Ok(())
}

/// Everything but the machine's files, other users' threads, and the server itself.
fn mariadb_master(user: &str, password: &str) -> [String; 2] {
    let account = format!("{}@'%'", mysql::quoted(user));
    [
        format!(
            "CREATE OR REPLACE USER {account} IDENTIFIED BY PASSWORD {}",
            mysql::quoted(password)
        ),
        format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, \
             CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE \
             USER, EVENT, TRIGGER ON *.* TO {account} WITH GRANT OPTION"
        ),
    ]
}

async fn mariadb_password(running: &Running, record: &Record, password: &str) -> Result<(), mysql::ClientError> {
    let mut admin = running.admin().await?;
    let sql = format!(
        "UPDATE mysql.global_priv SET Priv = JSON_SET(Priv, '$.plugin', 'mysql_native_password', \
         '$.authentication_string', {}) WHERE User = {} AND Host = '%'",
        mysql::literal(password),
        mysql::literal(&record.master)
    );
    if admin.query(&sql).await?.affected == 0 {
        // The master user was removed, or has this password already.
        for sql in mariadb_master(&record.master, password) {
            admin.run(&sql).await?;
        }
    }
    admin.run("FLUSH PRIVILEGES").await
}

async fn new_postgres(running: &Running, record: &Record) -> Result<(), postgres::ClientError> {
    let mut admin = running.postgres_admin("postgres").await?;
    // A restored one has that of its source, which stands elsewhere.
    admin
        .run(&format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{0}'; \
             SELECT pg_create_physical_replication_slot('{0}', true)",
            wal::SLOT
        ))
        .await?;
    if let Some(password) = &record.new_password {
        postgres_master(&mut admin, &record.master, password).await?;
    }
    if let (Some(name), Source::Nothing) = (&record.db_name, &record.source)
        && !is_there(&mut admin, "pg_database WHERE datname", name).await?
    {
        let sql = format!(
            "CREATE DATABASE {} OWNER {}",
            postgres::name(name),
            postgres::name(&record.master)
        );
        admin.run(&sql).await?;
    }
    Ok(())
}

async fn is_there(admin: &mut postgres::Connection, place: &str, name: &str) -> Result<bool, postgres::ClientError> {
    let sql = format!("SELECT 1 FROM {place} = {}", postgres::literal(name));
    Ok(!admin.query(&sql).await?.rows.is_empty())
}

/// The master user makes roles and databases and sees what others do; it is no superuser, whose rights reach the files
/// of the server.
async fn postgres_master(
    admin: &mut postgres::Connection,
    user: &str,
    password: &str,
) -> Result<(), postgres::ClientError> {
    if !is_there(admin, "pg_roles WHERE rolname", SUPERUSER).await? {
        let sql = format!(
            "CREATE ROLE {SUPERUSER} NOLOGIN IN ROLE pg_monitor, pg_signal_backend, pg_checkpoint; \
             REVOKE ALL ON DATABASE template1 FROM PUBLIC"
        );
        admin.run(&sql).await?;
    }
    let verb = match is_there(admin, "pg_roles WHERE rolname", user).await? {
        true => "ALTER",
        false => "CREATE",
    };
    let user = postgres::name(user);
    let sql = format!(
        "{verb} ROLE {user} LOGIN CREATEDB CREATEROLE PASSWORD {}; GRANT {SUPERUSER} TO {user} WITH ADMIN OPTION; \
         GRANT ALL ON DATABASE postgres TO {user}; GRANT ALL ON SCHEMA public TO {user}",
        postgres::literal(password)
    );
    admin.run(&sql).await
}

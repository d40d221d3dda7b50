//! Which engines there are, and what stands behind each.

use crate::server::ServerError;
use crate::server::installation::{MariaDb, Postgres};
use crate::shapes::*;
use crate::{Error, Rds, Result};
use danbi_core::RequestContext;
use std::sync::Arc;

/// Which server runs, and so which protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    MariaDb,
    Postgres,
}

impl Family {
    /// Of the engine of a record.
    pub(crate) fn of(engine: &str) -> Self {
        match engine.ends_with("postgres") || engine.ends_with("postgresql") {
            true => Self::Postgres,
            false => Self::MariaDb,
        }
    }

    /// The port of the protocol.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::MariaDb => 3306,
            Self::Postgres => 5432,
        }
    }

    fn server(self) -> &'static str {
        match self {
            Self::MariaDb => "MariaDB",
            Self::Postgres => "PostgreSQL",
        }
    }

    pub(crate) fn license(self) -> &'static str {
        match self {
            Self::MariaDb => "general-public-license",
            Self::Postgres => "postgresql-license",
        }
    }
}

/// What RDS calls an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    pub(crate) is_aurora: bool,
    description: &'static str,
}

/// What stands behind a name is the installed server, whose version is what answers say.
const ENGINES: [Engine; 5] = [
    Engine {
        name: "mariadb",
        family: Family::MariaDb,
        is_aurora: false,
        description: "MariaDB Community Edition",
    },
    Engine {
        name: "mysql",
        family: Family::MariaDb,
        is_aurora: false,
        description: "MariaDB, which speaks MySQL's protocol",
    },
    Engine {
        name: "aurora-mysql",
        family: Family::MariaDb,
        is_aurora: true,
        description: "MariaDB, which speaks MySQL's protocol",
    },
    Engine {
        name: "postgres",
        family: Family::Postgres,
        is_aurora: false,
        description: "PostgreSQL",
    },
    Engine {
        name: "aurora-postgresql",
        family: Family::Postgres,
        is_aurora: true,
        description: "PostgreSQL",
    },
];
/// Engines of AWS's that are not built here.
const OTHERS: [&str; 12] = [
    "aurora",
    "neptune",
    "docdb",
    "db2-ae",
    "db2-se",
    "oracle-ee",
    "oracle-se2",
    "custom-oracle-ee",
    "sqlserver-ee",
    "sqlserver-se",
    "sqlserver-ex",
    "sqlserver-web",
];
/// Classes that are offered; others are taken too.
const CLASSES: [&str; 5] = [
    "db.t3.micro",
    "db.t3.small",
    "db.t3.medium",
    "db.t4g.micro",
    "db.m5.large",
];
/// The engine of that name.
pub(crate) fn engine(name: &str) -> Result<Engine> {
    if let Some(engine) = ENGINES.into_iter().find(|engine| engine.name == name) {
        return Ok(engine);
    }
    match OTHERS.contains(&name) {
        true => Err(Error::NotBuilt(format!(
            "The engine {name} is not built here; there are mysql, mariadb and aurora-mysql, which are MariaDB, and \
             postgres and aurora-postgresql."
        ))),
        false => Err(Error::invalid(format!("Invalid DB engine: {name}"))),
    }
}

/// What the installed server's version is. A requested one must be a version; it decides nothing.
pub(crate) async fn version(family: Family, requested: Option<&String>) -> Result<String> {
    if let Some(text) = requested {
        let plain = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        if !plain(text) || !text.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(Error::combination(format!("Cannot find version {text}")));
        }
    }
    Ok(installed(family).await?)
}

async fn installed(family: Family) -> Result<String, ServerError> {
    match family {
        Family::MariaDb => MariaDb::find()?.version().await,
        Family::Postgres => Postgres::find()?.version().await,
    }
}

/// What of a version a parameter group is for: two parts of MariaDB's, one of PostgreSQL's.
pub(crate) fn major(family: Family, version: &str) -> String {
    let parts = match family {
        Family::MariaDb => 2,
        Family::Postgres => 1,
    };
    version.split('.').take(parts).collect::<Vec<_>>().join(".")
}

pub(crate) async fn describe_versions(
    _: Arc<Rds>,
    _: RequestContext,
    input: DescribeDBEngineVersionsMessage,
) -> Result<DBEngineVersionMessage> {
    let one = |engine: &Engine, version: &str| {
        let major = major(engine.family, version);
        DBEngineVersion {
            engine: Some(engine.name.to_owned()),
            engine_version: Some(version.to_owned()),
            db_parameter_group_family: Some(format!("{}{major}", engine.name)),
            major_engine_version: Some(major),
            db_engine_description: Some(engine.description.to_owned()),
            db_engine_version_description: Some(format!("{} {version}", engine.family.server())),
            valid_upgrade_target: Some(Vec::new()),
            status: Some("available".to_owned()),
            supports_log_exports_to_cloudwatch_logs: Some(false),
            supports_read_replica: Some(false),
            supported_engine_modes: Some(vec!["provisioned".to_owned()]),
            ..DBEngineVersion::default()
        }
    };
    let asked = |one: &DBEngineVersion| {
        let version = one.engine_version.as_deref().unwrap_or_default();
        input
            .engine_version
            .as_ref()
            .is_none_or(|asked| version.starts_with(asked.as_str()))
            && input
                .db_parameter_group_family
                .as_ref()
                .is_none_or(|asked| Some(asked) == one.db_parameter_group_family.as_ref())
    };
    let mut found = Vec::new();
    for family in [Family::MariaDb, Family::Postgres] {
        let wanted = |engine: &&Engine| {
            engine.family == family && input.engine.as_deref().is_none_or(|name| name == engine.name)
        };
        let engines: Vec<&Engine> = ENGINES.iter().filter(wanted).collect();
        match installed(family).await {
            Ok(version) => found.extend(engines.iter().map(|engine| one(engine, &version)).filter(asked)),
            // Who names an engine is told what to install; the list has what is there.
            Err(error) if input.engine.is_some() && !engines.is_empty() => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(DBEngineVersionMessage {
        db_engine_versions: Some(found),
        ..DBEngineVersionMessage::default()
    })
}

pub(crate) async fn describe_orderable(
    _: Arc<Rds>,
    context: RequestContext,
    input: DescribeOrderableDBInstanceOptionsMessage,
) -> Result<OrderableDBInstanceOptionsMessage> {
    let engine = engine(&input.engine)?;
    let version = version(engine.family, None).await?;
    let extra = engine.is_aurora.then_some("db.serverless");
    let classes = CLASSES.into_iter().chain(extra);
    let wanted = classes.filter(|class| input.db_instance_class.as_deref().is_none_or(|asked| asked == *class));
    let one = |class: &str| OrderableDBInstanceOption {
        engine: Some(engine.name.to_owned()),
        engine_version: Some(version.clone()),
        db_instance_class: Some(class.to_owned()),
        license_model: Some(engine.family.license().to_owned()),
        availability_zones: Some(vec![AvailabilityZone {
            name: Some(format!("{}a", context.scope.region)),
        }]),
        multi_az_capable: Some(false),
        read_replica_capable: Some(false),
        vpc: Some(true),
        supports_storage_encryption: Some(false),
        storage_type: Some(if engine.is_aurora { "aurora" } else { "gp2" }.to_owned()),
        supports_iops: Some(false),
        supports_clusters: Some(engine.is_aurora),
        supported_engine_modes: Some(vec!["provisioned".to_owned()]),
        ..OrderableDBInstanceOption::default()
    };
    Ok(OrderableDBInstanceOptionsMessage {
        orderable_db_instance_options: Some(wanted.map(one).collect()),
        ..OrderableDBInstanceOptionsMessage::default()
    })
}

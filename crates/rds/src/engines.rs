//! Which engines there are, and what stands behind each.

use crate::server::installation::MariaDb;
use crate::shapes::*;
use crate::{Error, Rds, Result};
use danbi_core::RequestContext;
use std::sync::Arc;

/// What RDS calls an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) is_aurora: bool,
    description: &'static str,
}

/// All of MySQL's family is MariaDB here, whose version is what answers say.
const ENGINES: [Engine; 3] = [
    Engine {
        name: "mariadb",
        is_aurora: false,
        description: "MariaDB Community Edition",
    },
    Engine {
        name: "mysql",
        is_aurora: false,
        description: "MariaDB, which speaks MySQL's protocol",
    },
    Engine {
        name: "aurora-mysql",
        is_aurora: true,
        description: "MariaDB, which speaks MySQL's protocol",
    },
];
/// Engines of AWS's that are not built here.
const OTHERS: [&str; 4] = ["postgres", "aurora-postgresql", "aurora", "neptune"];
/// Classes that are offered; others are taken too.
const CLASSES: [&str; 5] = [
    "db.t3.micro",
    "db.t3.small",
    "db.t3.medium",
    "db.t4g.micro",
    "db.m5.large",
];
/// The port of the protocol.
pub(crate) const PORT: u16 = 3306;

/// The engine of that name.
pub(crate) fn engine(name: &str) -> Result<Engine> {
    if let Some(engine) = ENGINES.into_iter().find(|engine| engine.name == name) {
        return Ok(engine);
    }
    match OTHERS.contains(&name) {
        true => Err(Error::NotBuilt(format!(
            "The engine {name} is not built here yet; there are mysql, mariadb and aurora-mysql, which are MariaDB."
        ))),
        false => Err(Error::invalid(format!("Invalid DB engine: {name}"))),
    }
}

/// What the installed server's version is. A requested one must be a version; it decides nothing.
pub(crate) async fn version(requested: Option<&String>) -> Result<String> {
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
    Ok(MariaDb::find()?.version().await?)
}

/// The first two parts of a version.
pub(crate) fn major(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

pub(crate) async fn describe_versions(
    _: Arc<Rds>,
    _: RequestContext,
    input: DescribeDBEngineVersionsMessage,
) -> Result<DBEngineVersionMessage> {
    let version = version(None).await?;
    let wanted = ENGINES
        .iter()
        .filter(|engine| input.engine.as_deref().is_none_or(|name| name == engine.name));
    let one = |engine: &Engine| DBEngineVersion {
        engine: Some(engine.name.to_owned()),
        engine_version: Some(version.clone()),
        major_engine_version: Some(major(&version)),
        db_parameter_group_family: Some(format!("{}{}", engine.name, major(&version))),
        db_engine_description: Some(engine.description.to_owned()),
        db_engine_version_description: Some(format!("MariaDB {version}")),
        valid_upgrade_target: Some(Vec::new()),
        status: Some("available".to_owned()),
        supports_log_exports_to_cloudwatch_logs: Some(false),
        supports_read_replica: Some(false),
        supported_engine_modes: Some(vec!["provisioned".to_owned()]),
        ..DBEngineVersion::default()
    };
    let asked = |one: &DBEngineVersion| {
        input
            .engine_version
            .as_ref()
            .is_none_or(|asked| version.starts_with(asked.as_str()))
            && input
                .db_parameter_group_family
                .as_ref()
                .is_none_or(|asked| Some(asked) == one.db_parameter_group_family.as_ref())
    };
    Ok(DBEngineVersionMessage {
        db_engine_versions: Some(wanted.map(one).filter(asked).collect()),
        ..DBEngineVersionMessage::default()
    })
}

pub(crate) async fn describe_orderable(
    _: Arc<Rds>,
    context: RequestContext,
    input: DescribeOrderableDBInstanceOptionsMessage,
) -> Result<OrderableDBInstanceOptionsMessage> {
    let engine = engine(&input.engine)?;
    let version = version(None).await?;
    let extra = engine.is_aurora.then_some("db.serverless");
    let classes = CLASSES.into_iter().chain(extra);
    let wanted = classes.filter(|class| input.db_instance_class.as_deref().is_none_or(|asked| asked == *class));
    let one = |class: &str| OrderableDBInstanceOption {
        engine: Some(engine.name.to_owned()),
        engine_version: Some(version.clone()),
        db_instance_class: Some(class.to_owned()),
        license_model: Some("general-public-license".to_owned()),
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

//! Keys, indexes and capacities as requests give them, checked with DynamoDB's words and in its order.

use super::catalog::is_name_byte;
use super::record::{
    BillingMode, IndexRecord, IndexState, KeyAttribute, KeySchema, KeyType, OnDemandLimits, Projection, Provisioned,
    StreamSettings, StreamView, TableClass, Throughput,
};
use crate::keys::IndexId;
use crate::{Error, shapes};
use danbi_core::Timestamp;

/// Most global indexes of a table.
pub(crate) const MAX_GLOBAL_INDEXES: usize = 20;
/// Most local indexes of a table.
const MAX_LOCAL_INDEXES: usize = 5;
/// Most `NonKeyAttributes` of one index, and of all of a table together.
const MAX_PROJECTED: usize = 20;
const MAX_PROJECTED_IN_ALL: usize = 100;
/// Most `HASH`, and most `RANGE`, attributes of a global index.
const MAX_KEY_PARTS: usize = 4;
/// Elements of a refused key schema that are shown.
const MAX_SHOWN: usize = 20;
/// What no capacity may be larger than.
const MAX_UNITS: i64 = 1_000_000_000_000;

/// The words before most refusals.
pub(crate) fn invalid(message: impl std::fmt::Display) -> Error {
    Error::validation(format!("One or more parameter values were invalid: {message}"))
}

/// `AttributeDefinitions`: each name once, each type a key's.
pub(crate) fn attributes(given: &[shapes::AttributeDefinition]) -> Result<Vec<KeyAttribute>, Error> {
    let mut attributes: Vec<KeyAttribute> = Vec::with_capacity(given.len());
    for definition in given {
        let kind = match definition.attribute_type.as_str() {
            "S" => KeyType::S,
            "N" => KeyType::N,
            "B" => KeyType::B,
            other => {
                return Err(Error::constraint(
                    other,
                    "attributeDefinitions.1.member.attributeType",
                    "Member must satisfy enum value set: [B, N, S]",
                ));
            }
        };
        let name = definition.attribute_name.clone();
        if attributes.iter().any(|known| known.name == name) {
            return Err(invalid(format_args!(
                "Duplicate AttributeName in AttributeDefinitions: {name}"
            )));
        }
        attributes.push(KeyAttribute { name, kind });
    }
    Ok(attributes)
}

/// Where a `KeySchema` is given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The table's.
    Table,
    /// A local index's.
    Local,
    /// A global index's.
    Global,
}

/// A `KeySchema` whose attributes are defined.
pub(crate) fn key_schema(
    given: &[shapes::KeySchemaElement],
    defined: &[KeyAttribute],
    place: Place,
) -> Result<KeySchema, Error> {
    if place != Place::Global && given.len() > 2 {
        let shown = |element: &shapes::KeySchemaElement| {
            format!(
                "KeySchemaElement(attributeName={}, keyType={})",
                element.attribute_name, element.key_type
            )
        };
        let shown: Vec<String> = given.iter().take(MAX_SHOWN).map(shown).collect();
        return Err(Error::constraint(
            &format!("[{}]", shown.join(", ")),
            "keySchema",
            "Member must have length less than or equal to 2",
        ));
    }
    let undefined =
        |element: &&shapes::KeySchemaElement| !defined.iter().any(|known| known.name == element.attribute_name);
    if given.iter().any(|element| undefined(&element)) {
        return Err(invalid(format_args!(
            "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
            list(given.iter().map(|element| &element.attribute_name)),
            list(defined.iter().map(|known| &known.name)),
        )));
    }
    if given.len() > defined.len() {
        return Err(Error::validation(
            "Invalid KeySchema: Some index key attribute have no definition",
        ));
    }
    if given.first().is_none_or(|first| first.key_type != "HASH") {
        return Err(Error::validation(
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ));
    }
    check_order(given, place)?;
    for (at, element) in given.iter().enumerate() {
        if given[..at]
            .iter()
            .any(|other| other.attribute_name == element.attribute_name)
        {
            return Err(Error::validation(
                "Both the Hash Key and the Range Key element in the KeySchema have the same name",
            ));
        }
    }
    let of_type = |wanted: &str| -> Vec<KeyAttribute> {
        let chosen = given.iter().filter(|element| element.key_type == wanted);
        let found = chosen.filter_map(|element| defined.iter().find(|known| known.name == element.attribute_name));
        found.cloned().collect()
    };
    Ok(KeySchema {
        partition: of_type("HASH"),
        sort: of_type("RANGE"),
    })
}

fn check_order(given: &[shapes::KeySchemaElement], place: Place) -> Result<(), Error> {
    if place != Place::Global {
        return match given.get(1) {
            Some(second) if second.key_type != "RANGE" => Err(Error::validation(
                "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
            )),
            _ => Ok(()),
        };
    }
    let hashes = given.iter().take_while(|element| element.key_type == "HASH").count();
    if given[hashes..].iter().any(|element| element.key_type != "RANGE") {
        return Err(Error::validation(
            "Invalid KeySchema: All HASH key elements must precede all RANGE key elements",
        ));
    }
    for (word, count) in [("HASH", hashes), ("RANGE", given.len() - hashes)] {
        if count > MAX_KEY_PARTS {
            return Err(Error::validation(format!(
                "Invalid KeySchema: The number of {word} key elements exceeds the limit of {MAX_KEY_PARTS}"
            )));
        }
    }
    Ok(())
}

/// A projection.
fn projection(given: &shapes::Projection) -> Result<Projection, Error> {
    let names = given.non_key_attributes.as_deref();
    let alone = |projection, word: &str| match names {
        None => Ok(projection),
        Some(_) => Err(invalid(format_args!(
            "ProjectionType is {word}, but NonKeyAttributes is specified"
        ))),
    };
    match given.projection_type.as_deref() {
        Some("ALL") => alone(Projection::All, "ALL"),
        Some("KEYS_ONLY") => alone(Projection::KeysOnly, "KEYS_ONLY"),
        Some("INCLUDE") => {
            let names = names
                .filter(|names| !names.is_empty())
                .ok_or_else(|| invalid("ProjectionType is INCLUDE, but NonKeyAttributes is not specified"))?;
            if names.len() > MAX_PROJECTED {
                return Err(Error::validation(format!(
                    "1 validation error detected: Value '[{}]' at 'projection.nonKeyAttributes' failed to satisfy \
                     constraint: Member must have length less than or equal to {MAX_PROJECTED}",
                    list(names)
                )));
            }
            for (at, name) in names.iter().enumerate() {
                if names[..at].contains(name) {
                    return Err(invalid(format_args!("Duplicate NonKeyAttribute: {name}")));
                }
            }
            Ok(Projection::Include(names.to_vec()))
        }
        other => Err(invalid(format_args!(
            "Unknown ProjectionType: {}",
            other.unwrap_or("null")
        ))),
    }
}

/// The name of an index.
pub(crate) fn index_name(name: &str, member: &str) -> Result<(), Error> {
    let constraint = if name.len() < 3 {
        "Member must have length greater than or equal to 3"
    } else if name.len() > 255 {
        "Member must have length less than or equal to 255"
    } else if !name.bytes().all(is_name_byte) {
        "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    } else {
        return Ok(());
    };
    Err(Error::constraint(name, member, constraint))
}

/// What a global index is asked for with, in `CreateTable` and in `UpdateTable`.
pub(crate) struct GlobalIndex<'g> {
    pub name: &'g str,
    pub key: &'g [shapes::KeySchemaElement],
    pub projection: &'g shapes::Projection,
    pub throughput: Option<&'g shapes::ProvisionedThroughput>,
    pub on_demand: Option<&'g shapes::OnDemandThroughput>,
    pub warm: Option<&'g shapes::WarmThroughput>,
}

/// A global index, checked; its number is `id`.
pub(crate) fn global_index(
    given: &GlobalIndex<'_>,
    defined: &[KeyAttribute],
    billing: BillingMode,
    id: IndexId,
    state: IndexState,
) -> Result<IndexRecord, Error> {
    index_name(given.name, "globalSecondaryIndexes.1.member.indexName")?;
    let key = key_schema(given.key, defined, Place::Global)?;
    let units = match (billing, given.throughput) {
        (BillingMode::OnDemand, Some(_)) => {
            return Err(invalid(format_args!(
                "ProvisionedThroughput should not be specified for index: {} when BillingMode is PAY_PER_REQUEST",
                given.name
            )));
        }
        (BillingMode::Provisioned, None) => {
            return Err(invalid(format_args!(
                "ProvisionedThroughput must be specified for index: {}",
                given.name
            )));
        }
        (_, throughput) => throughput.map(throughput_units).transpose()?.unwrap_or_default(),
    };
    Ok(IndexRecord {
        id,
        name: given.name.into(),
        key,
        projection: projection(given.projection)?,
        state,
        provisioned: Provisioned {
            units,
            ..Provisioned::default()
        },
        on_demand: given.on_demand.map(on_demand_limits).transpose()?,
        warm: given.warm.map(warm_units),
    })
}

/// The local indexes of `CreateTable`, checked; the first has the number `first`.
pub(crate) fn local_indexes(
    given: &[shapes::LocalSecondaryIndex],
    table: &KeySchema,
    defined: &[KeyAttribute],
    first: IndexId,
) -> Result<Vec<IndexRecord>, Error> {
    if given.is_empty() {
        return Err(invalid("List of LocalSecondaryIndexes is empty"));
    }
    if table.sort.is_empty() {
        return Err(invalid(
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ));
    }
    if given.len() > MAX_LOCAL_INDEXES {
        return Err(invalid(format_args!(
            "Number of LocalSecondaryIndexes exceeds per-table limit of {MAX_LOCAL_INDEXES}"
        )));
    }
    let checked = given.iter().zip(first..).map(|(index, id)| {
        let name = &index.index_name;
        index_name(name, "localSecondaryIndexes.1.member.indexName")?;
        let key = key_schema(&index.key_schema, defined, Place::Local)?;
        if key.partition != table.partition {
            return Err(invalid(format_args!(
                "Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. index \
                 hash key: {}, table hash key: {}",
                key.partition[0].name, table.partition[0].name
            )));
        }
        if key.sort.is_empty() {
            return Err(invalid(format_args!(
                "Index KeySchema does not have a range key for index: {name}"
            )));
        }
        Ok(IndexRecord {
            id,
            name: name.clone(),
            key,
            projection: projection(&index.projection)?,
            state: IndexState::Active,
            provisioned: Provisioned::default(),
            on_demand: None,
            warm: None,
        })
    });
    checked.collect()
}

/// Checks that no two indexes have one name, and that together they do not project too much.
pub(crate) fn check_indexes<'i>(indexes: impl Iterator<Item = &'i IndexRecord>) -> Result<(), Error> {
    let mut names: Vec<&str> = Vec::new();
    let mut projected = 0;
    for index in indexes {
        if names.contains(&index.name.as_str()) {
            return Err(invalid(format_args!("Duplicate index name: {}", index.name)));
        }
        names.push(&index.name);
        if let Projection::Include(attributes) = &index.projection {
            projected += attributes.len();
        }
    }
    if projected > MAX_PROJECTED_IN_ALL {
        return Err(invalid(format_args!(
            "Total number of non-key attributes projected into all secondary indexes exceeds the limit of \
             {MAX_PROJECTED_IN_ALL}"
        )));
    }
    Ok(())
}

/// Checks that every defined attribute is part of some key.
pub(crate) fn check_all_used<'k>(
    defined: &[KeyAttribute],
    keys: impl Iterator<Item = &'k KeySchema> + Clone,
) -> Result<(), Error> {
    let is_used = |attribute: &KeyAttribute| keys.clone().any(|key| key.contains(&attribute.name));
    if defined.iter().all(is_used) {
        return Ok(());
    }
    let mut used: Vec<&String> = Vec::new();
    for attribute in keys.flat_map(KeySchema::attributes) {
        if !used.contains(&&attribute.name) {
            used.push(&attribute.name);
        }
    }
    Err(invalid(format_args!(
        "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
        list(defined.iter().map(|attribute| &attribute.name)),
        list(used)
    )))
}

/// Billing mode and capacity of a table.
pub(crate) fn billing(
    mode: Option<&str>,
    given: Option<&shapes::ProvisionedThroughput>,
) -> Result<(BillingMode, Throughput), Error> {
    match (mode, given) {
        (Some("PAY_PER_REQUEST"), Some(_)) => Err(invalid(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        (Some("PAY_PER_REQUEST"), None) => Ok((BillingMode::OnDemand, Throughput::default())),
        (_, None) => Err(invalid(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )),
        (_, Some(given)) => Ok((BillingMode::Provisioned, throughput_units(given)?)),
    }
}

/// Capacity units within bounds.
pub(crate) fn throughput_units(given: &shapes::ProvisionedThroughput) -> Result<Throughput, Error> {
    for (word, member, units) in [
        ("ReadCapacityUnits", "readCapacityUnits", given.read_capacity_units),
        ("WriteCapacityUnits", "writeCapacityUnits", given.write_capacity_units),
    ] {
        if units < 1 {
            return Err(Error::constraint(
                &units.to_string(),
                &format!("provisionedThroughput.{member}"),
                "Member must have value greater than or equal to 1",
            ));
        }
        if units > MAX_UNITS {
            return Err(Error::validation(format!(
                "Given value {units} for {word} is out of bounds"
            )));
        }
    }
    Ok(Throughput {
        read: given.read_capacity_units,
        write: given.write_capacity_units,
    })
}

/// Caps of on-demand capacity.
pub(crate) fn on_demand_limits(given: &shapes::OnDemandThroughput) -> Result<OnDemandLimits, Error> {
    for (word, units) in [
        ("MaxReadRequestUnits", given.max_read_request_units),
        ("MaxWriteRequestUnits", given.max_write_request_units),
    ] {
        if units.is_some_and(|units| units != -1 && !(1..=MAX_UNITS).contains(&units)) {
            return Err(invalid(format_args!("{word} must be -1 or at least 1")));
        }
    }
    Ok(OnDemandLimits {
        read: given.max_read_request_units,
        write: given.max_write_request_units,
    })
}

/// Warm throughput as asked for; what is left out is kept at what on-demand tables begin with.
pub(crate) fn warm_units(given: &shapes::WarmThroughput) -> Throughput {
    Throughput {
        read: given.read_units_per_second.unwrap_or(12_000),
        write: given.write_units_per_second.unwrap_or(4_000),
    }
}

/// The stream that a `StreamSpecification` asks for; none when it is off.
pub(crate) fn stream(
    given: &shapes::StreamSpecification,
    now: Timestamp,
    shards: u32,
) -> Result<Option<StreamSettings>, Error> {
    let view = given.stream_view_type.as_deref();
    if !given.stream_enabled {
        return match view {
            None => Ok(None),
            Some(_) => Err(invalid(
                "Table is being created with stream disabled and a stream view type: StreamViewType cannot be given \
                 when StreamEnabled is false",
            )),
        };
    }
    let view = match view {
        Some("KEYS_ONLY") => StreamView::KeysOnly,
        Some("NEW_IMAGE") => StreamView::NewImage,
        Some("OLD_IMAGE") => StreamView::OldImage,
        Some("NEW_AND_OLD_IMAGES") => StreamView::NewAndOldImages,
        Some(other) => {
            return Err(Error::constraint(
                other,
                "streamSpecification.streamViewType",
                "Member must satisfy enum value set: [NEW_IMAGE, OLD_IMAGE, NEW_AND_OLD_IMAGES, KEYS_ONLY]",
            ));
        }
        None => return Err(invalid("StreamViewType is required when StreamEnabled is true")),
    };
    Ok(Some(StreamSettings {
        label: stream_label(now),
        number: uuid::Uuid::new_v4().as_u64_pair().0,
        view,
        shards,
        enabled: true,
    }))
}

/// `2026-11-22T00:08:44.123`.
fn stream_label(now: Timestamp) -> String {
    let at = now.to_datetime();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}

/// `TableClass`.
pub(crate) fn class(given: Option<&str>) -> Result<TableClass, Error> {
    match given {
        None | Some("STANDARD") => Ok(TableClass::Standard),
        Some("STANDARD_INFREQUENT_ACCESS") => Ok(TableClass::InfrequentAccess),
        Some(other) => Err(Error::constraint(
            other,
            "tableClass",
            "Member must satisfy enum value set: [STANDARD, STANDARD_INFREQUENT_ACCESS]",
        )),
    }
}

fn list<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    names.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

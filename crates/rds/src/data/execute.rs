//! Statements.

use super::parameters::{for_mysql, for_postgres};
use super::results::Rows;
use super::{Connected, Connection, STATEMENT, bad_request, connect, database, of_mysql, of_postgres};
use crate::Rds;
use crate::data_shapes::*;
use danbi_core::{RequestContext, ServiceError};
use std::sync::Arc;

/// Sets of parameters of one call.
const MAX_SETS: usize = 1000;

/// What a statement gave.
struct Done {
    rows: Option<Rows>,
    affected: i64,
    /// What the server made up for the row that was inserted.
    generated: Vec<Field>,
}

async fn run(connected: &mut Connected, sql: &str, parameters: &[SqlParameter]) -> Result<Done, ServiceError> {
    if sql.contains('\0') {
        return Err(bad_request("A statement has a zero in it."));
    }
    let counted = |affected: u64| i64::try_from(affected).unwrap_or(i64::MAX);
    match &mut connected.connection {
        Connection::MySql(connection) => {
            let sql = for_mysql(sql, parameters)?;
            let answer = connection.query(&sql).await.map_err(of_mysql)?;
            let (affected, insert_id) = (counted(answer.affected), answer.insert_id);
            let generated = Field {
                long_value: i64::try_from(insert_id).ok(),
                ..Field::default()
            };
            Ok(Done {
                rows: (!answer.columns.is_empty()).then(|| Rows::of_mysql(answer)),
                affected,
                generated: if insert_id == 0 { Vec::new() } else { vec![generated] },
            })
        }
        Connection::Postgres(connection) => {
            let (sql, parameters) = for_postgres(sql, parameters)?;
            let answer = connection.execute(&sql, &parameters).await.map_err(of_postgres)?;
            Ok(Done {
                affected: counted(answer.affected),
                rows: (!answer.columns.is_empty()).then(|| Rows::of_postgres(answer)),
                generated: Vec::new(),
            })
        }
    }
}

/// Runs statements on a connection: one of a transaction, or one of their own.
struct Place<'r> {
    rds: &'r Rds,
    taken: Result<super::transactions::Taken, Connected>,
}

impl<'r> Place<'r> {
    async fn of(
        rds: &'r Rds,
        context: &RequestContext,
        (resource, secret): (&str, &str),
        transaction: Option<&String>,
        (name, schema): (Option<&String>, Option<&String>),
    ) -> Result<Self, ServiceError> {
        let record = database(rds, &context.scope, resource, secret).await?;
        let taken = match transaction {
            Some(id) => Ok(rds.transactions.take(id, &record.resource).await?),
            None => Err(connect(rds, &record, name, schema).await?),
        };
        Ok(Self { rds, taken })
    }

    fn connected(&mut self) -> &mut Connected {
        match &mut self.taken {
            Ok(taken) => &mut taken.connected,
            Err(own) => own,
        }
    }

    /// What is not put back is closed, and its transaction rolled back.
    fn put_back(self) {
        if let Ok(taken) = self.taken {
            self.rds.transactions.put_back(taken);
        }
    }
}

/// Whether a transaction goes on after this error.
fn goes_on(error: &ServiceError) -> bool {
    matches!(error.code, "DatabaseErrorException" | "BadRequestException")
}

async fn within<T>(limited: bool, work: impl Future<Output = Result<T, ServiceError>>) -> Result<T, ServiceError> {
    if !limited {
        return work.await;
    }
    let late = || {
        ServiceError::client(
            "StatementTimeoutException",
            400,
            "Request timed out: the statement was ended, and its transaction rolled back",
        )
    };
    tokio::time::timeout(STATEMENT, work).await.map_err(|_| late())?
}

pub(super) async fn statement(
    rds: Arc<Rds>,
    context: RequestContext,
    input: ExecuteStatementRequest,
) -> Result<ExecuteStatementResponse, ServiceError> {
    let names = (input.database.as_ref(), input.schema.as_ref());
    let resource = (input.resource_arn.as_str(), input.secret_arn.as_str());
    let mut place = Place::of(&rds, &context, resource, input.transaction_id.as_ref(), names).await?;
    let parameters = input.parameters.as_deref().unwrap_or_default();
    let limited = !input.continue_after_timeout.unwrap_or(false);
    let done = within(limited, run(place.connected(), &input.sql, parameters)).await;
    if done.as_ref().err().is_none_or(goes_on) {
        place.put_back();
    }
    let done = done?;
    let mut response = ExecuteStatementResponse {
        number_of_records_updated: Some(done.affected),
        ..ExecuteStatementResponse::default()
    };
    match done.rows {
        Some(rows) => {
            if input.format_records_as.as_deref() == Some("JSON") {
                response.formatted_records = Some(rows.json()?);
            } else {
                response.records = Some(rows.fields(input.result_set_options.as_ref())?);
            }
            if input.include_result_metadata == Some(true) {
                response.column_metadata = Some(rows.columns);
            }
        }
        None => response.generated_fields = Some(done.generated),
    }
    Ok(response)
}

pub(super) async fn batch(
    rds: Arc<Rds>,
    context: RequestContext,
    input: BatchExecuteStatementRequest,
) -> Result<BatchExecuteStatementResponse, ServiceError> {
    let sets = input.parameter_sets.unwrap_or_default();
    if sets.len() > MAX_SETS {
        return Err(bad_request(format!(
            "A batch has {MAX_SETS} sets of parameters at most."
        )));
    }
    let names = (input.database.as_ref(), input.schema.as_ref());
    let resource = (input.resource_arn.as_str(), input.secret_arn.as_str());
    let mut place = Place::of(&rds, &context, resource, input.transaction_id.as_ref(), names).await?;
    let connected = place.connected();
    let running = async {
        let mut results = Vec::new();
        if sets.is_empty() {
            run(connected, &input.sql, &[]).await?;
        }
        for set in &sets {
            let done = run(connected, &input.sql, set).await?;
            results.push(UpdateResult {
                generated_fields: Some(done.generated),
            });
        }
        Ok(results)
    };
    let done = within(true, running).await;
    if done.as_ref().err().is_none_or(goes_on) {
        place.put_back();
    }
    Ok(BatchExecuteStatementResponse {
        update_results: Some(done?),
    })
}

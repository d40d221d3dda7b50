//! How work on a stack begins.

use super::CloudFormation;
use crate::records::{self, Operation, Stack};
use crate::{Result, keys};
use danbi_core::Scope;
use danbi_store::Transaction;
use uuid::Uuid;

impl CloudFormation {
    /// Writes down that `operation` is what happens to the stack now. Call [`CloudFormation::drive`] once it is committed.
    pub(crate) async fn begin(
        &self,
        tx: &Transaction,
        scope: &Scope,
        stack: &mut Stack,
        operation: Operation,
        status: &str,
    ) -> Result<()> {
        stack.status = status.to_owned();
        stack.reason = Some("User Initiated".to_owned());
        stack.operation = Some(operation);
        stack.halted = None;
        let event = self.stack_event(stack);
        self.event(tx, &stack.uuid, event).await?;
        self.claim(tx, scope, &stack.uuid).await?;
        records::put(tx, &keys::stack(scope, &stack.uuid), stack).await
    }

    /// Keeps a template's text for a stack; gives the id it is kept under.
    pub(crate) async fn keep_template(&self, tx: &Transaction, stack: &str, text: &str) -> Result<String> {
        let id = Uuid::new_v4().to_string();
        records::put(tx, &keys::template(stack, &id), &text).await?;
        Ok(id)
    }
}

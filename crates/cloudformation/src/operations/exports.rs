//! Exports and who takes them.

use super::describe::page;
use crate::engine::{CloudFormation, drive};
use crate::records::{self, Export as Record};
use crate::shapes::*;
use crate::{Error, Result, keys};
use danbi_core::RequestContext;
use std::sync::Arc;

/// ListExports.
pub(super) async fn list(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: ListExportsInput,
) -> Result<ListExportsOutput> {
    let snapshot = engine.store.snapshot().await?;
    let prefix = keys::exports(&context.scope);
    let mut all = Vec::new();
    for (key, export) in records::list::<Record>(&snapshot, &prefix, None, usize::MAX).await? {
        all.push(Export {
            exporting_stack_id: Some(export.stack),
            name: Some(records::last_text(&key, &prefix)?),
            value: Some(export.value),
        });
    }
    let (exports, next_token) = page(all, input.next_token.as_ref(), 100)?;
    Ok(ListExportsOutput {
        exports: Some(exports),
        next_token,
    })
}

/// ListImports.
pub(super) async fn imports(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: ListImportsInput,
) -> Result<ListImportsOutput> {
    let snapshot = engine.store.snapshot().await?;
    let users = drive::importers(&snapshot, &context.scope, &input.export_name).await?;
    if users.is_empty() {
        return Err(Error::validation(format!(
            "Export '{}' is not imported by any stack.",
            input.export_name
        )));
    }
    let (imports, next_token) = page(users, input.next_token.as_ref(), 100)?;
    Ok(ListImportsOutput {
        imports: Some(imports),
        next_token,
    })
}

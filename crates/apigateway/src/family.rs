//! What the children of an API have in common: found, listed, patched and deleted by their id.

use crate::keys::{self, Kind};
use crate::patch::{self, Rule, Words};
use crate::records::{self, Read};
use crate::shapes::PatchOperation;
use crate::{ApiGateway, Error, rest_apis};
use danbi_core::{RequestContext, Scope};
use danbi_store::Transaction;
use danbi_wire::Empty;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One kind of children, and how AWS says that there is no such one.
pub(crate) struct Family {
    pub kind: Kind,
    /// Answered when the child is missing, given the id asked for.
    pub unknown: fn(&str) -> Error,
    /// Whether a missing API is answered as a missing child.
    pub hides_api: bool,
    pub rules: &'static [Rule],
    pub words: Words,
}

impl Family {
    async fn check_api(&self, view: &impl Read, scope: &Scope, api: &str, id: &str) -> Result<(), Error> {
        let found = rest_apis::find(view, scope, api).await;
        found.map(drop).map_err(|error| match error {
            Error::NotFound(_) if self.hides_api => (self.unknown)(id),
            other => other,
        })
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        gateway: &ApiGateway,
        context: &RequestContext,
        api: &str,
        id: &str,
    ) -> Result<T, Error> {
        let view = gateway.store.snapshot().await?;
        self.check_api(&view, &context.scope, api, id).await?;
        let found = view.record(&keys::child(api, self.kind, id)).await?;
        found.ok_or_else(|| (self.unknown)(id))
    }

    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        gateway: &ApiGateway,
        context: &RequestContext,
        api: &str,
        position: Option<&str>,
        limit: Option<i32>,
    ) -> Result<(Vec<T>, Option<String>), Error> {
        let view = gateway.store.snapshot().await?;
        rest_apis::find(&view, &context.scope, api).await?;
        records::list(&view, keys::children(api, self.kind), position, limit, |_| true).await
    }

    pub(crate) async fn delete(
        &self,
        gateway: &ApiGateway,
        context: &RequestContext,
        api: &str,
        id: &str,
    ) -> Result<Empty, Error> {
        let scope = &context.scope;
        gateway
            .store
            .transact(async |tx| {
                self.check_api(&tx, scope, api, id).await?;
                let key = keys::child(api, self.kind, id);
                tx.bytes(&key).await?.ok_or_else(|| (self.unknown)(id))?;
                tx.delete(&key)?;
                Ok(Empty {})
            })
            .await
    }

    /// Patches a child, and keeps it when `check` accepts it.
    pub(crate) async fn update<T: Serialize + DeserializeOwned + Send>(
        &self,
        gateway: &ApiGateway,
        context: &RequestContext,
        (api, id): (&str, &str),
        operations: Option<&[PatchOperation]>,
        check: impl Fn(&T) -> Result<(), Error> + Sync,
    ) -> Result<T, Error> {
        let (scope, check) = (&context.scope, &check);
        gateway
            .store
            .transact(async |tx| {
                self.check_api(&tx, scope, api, id).await?;
                let key = keys::child(api, self.kind, id);
                let old: T = tx.record(&key).await?.ok_or_else(|| (self.unknown)(id))?;
                let new = patch::apply(&old, operations, self.rules, self.words)?;
                check(&new)?;
                records::put(&tx, &key, &new)?;
                Ok(new)
            })
            .await
    }

    /// Adds a child, when `check` accepts it beside the others and there is room.
    pub(crate) async fn create<T: Serialize + DeserializeOwned + Send + Sync>(
        &self,
        gateway: &ApiGateway,
        (scope, api, id): (&Scope, &str, &str),
        max: usize,
        child: &T,
        check: impl Fn(&[T]) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let check = &check;
        gateway
            .store
            .transact(async |tx: Transaction| {
                rest_apis::find(&tx, scope, api).await?;
                let all: Vec<T> = tx.children(api, self.kind).await?;
                check(&all)?;
                if all.len() >= max {
                    return Err(Error::LimitExceeded(format!("An API has at most {max} of these.")));
                }
                records::put(&tx, &keys::child(api, self.kind, id), child)
            })
            .await
    }
}

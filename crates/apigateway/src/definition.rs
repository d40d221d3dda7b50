//! An API as a whole: what a deployment freezes, an export writes and an import makes.

use crate::records::Read;
use crate::shapes::*;
use crate::{Error, keys};
use bytes::Bytes;
use danbi_store::{KeyRange, Transaction};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of one piece of a frozen definition: below what a value of the store may have.
const PIECE_BYTES: usize = 90_000;
/// Bytes of a whole definition, far above what AWS's quotas let one become, and below a transaction's bound.
const MAX_BYTES: usize = 6_000_000;

/// Everything of an API that decides how a request is answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Definition {
    pub api: RestApi,
    pub resources: Vec<Resource>,
    /// By the resource's id.
    pub methods: BTreeMap<String, Vec<Method>>,
    pub authorizers: Vec<Authorizer>,
    pub models: Vec<Model>,
    pub validators: Vec<RequestValidator>,
    pub gateway_responses: Vec<GatewayResponse>,
}

impl Definition {
    /// The API as it stands now.
    pub(crate) async fn load(view: &impl Read, api: RestApi) -> Result<Self, Error> {
        let id = api.id.clone().unwrap_or_default();
        let resources: Vec<Resource> = view.children(&id, keys::Kind::Resource).await?;
        let mut methods = BTreeMap::new();
        for resource in &resources {
            let resource = resource.id.clone().unwrap_or_default();
            let found: Vec<Method> = view.all(keys::methods(&id, &resource)).await?;
            if !found.is_empty() {
                methods.insert(resource, found);
            }
        }
        Ok(Self {
            resources,
            methods,
            authorizers: view.children(&id, keys::Kind::Authorizer).await?,
            models: view.children(&id, keys::Kind::Model).await?,
            validators: view.children(&id, keys::Kind::Validator).await?,
            gateway_responses: view.children(&id, keys::Kind::GatewayResponse).await?,
            api,
        })
    }

    /// Keeps the definition as that of `deployment`, which nothing changes afterwards.
    pub(crate) fn freeze(&self, tx: &Transaction, deployment: &str) -> Result<(), Error> {
        let api = self.api.id.as_deref().unwrap_or_default();
        let whole = Bytes::from(serde_json::to_vec(self)?);
        if whole.len() > MAX_BYTES {
            return Err(Error::bad("The definition of the API is too large."));
        }
        let mut rest = whole;
        let mut number = 0;
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            tx.put(&keys::piece(api, deployment, number), piece)?;
            number += 1;
        }
        Ok(())
    }

    /// The definition that `deployment` froze.
    pub(crate) async fn frozen(view: &impl Read, api: &str, deployment: &str) -> Result<Option<Self>, Error> {
        let mut whole = Vec::new();
        let mut rest: KeyRange = keys::pieces(api, deployment);
        loop {
            let page = view.page(rest.clone(), 16).await?;
            for (_, piece) in &page.entries {
                whole.extend_from_slice(piece);
            }
            match page.entries.last() {
                Some((last, _)) if page.more && whole.len() <= MAX_BYTES => rest = rest.after(last),
                _ => break,
            }
        }
        if whole.is_empty() {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&whole)?))
    }

    /// `apiSummary`: each path's methods.
    pub(crate) fn summary(&self) -> BTreeMap<String, BTreeMap<String, MethodSnapshot>> {
        let mut summary = BTreeMap::new();
        for resource in &self.resources {
            let Some(methods) = resource.id.as_ref().and_then(|id| self.methods.get(id)) else {
                continue;
            };
            let methods = methods.iter().map(|method| {
                let snapshot = MethodSnapshot {
                    authorization_type: method.authorization_type.clone(),
                    api_key_required: method.api_key_required,
                };
                (method.http_method.clone().unwrap_or_default(), snapshot)
            });
            summary.insert(resource.path.clone().unwrap_or_default(), methods.collect());
        }
        summary
    }
}

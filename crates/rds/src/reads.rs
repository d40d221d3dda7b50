//! What users' tools ask about besides databases: the authority behind encrypted connections, and lists of what an
//! account can have at AWS and never has here.

use crate::describe::{self, passes, time};
use crate::keys::Kind;
use crate::shapes::*;
use crate::{Error, Rds, Result, names};
use danbi_core::RequestContext;
use std::sync::Arc;

/// Under which name the platform's authority is known: that of AWS's, which instances say they have.
pub(crate) const CERTIFICATE: &str = "rds-ca-rsa2048-g1";

pub(crate) async fn certificates(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DescribeCertificatesMessage,
) -> Result<CertificateMessage> {
    passes(input.filters.as_ref(), |_| None)?;
    let missing = |name: &str| Error::Aws("CertificateNotFound", 404, format!("Certificate {name} not found."));
    if let Some(name) = input
        .certificate_identifier
        .as_deref()
        .filter(|name| *name != CERTIFICATE)
    {
        return Err(missing(name));
    }
    let authority = match &rds.tls {
        Some(tls) => tls.authority().await.map_err(|error| {
            tracing::warn!(%error, "the platform's own certificate cannot be read");
            missing(CERTIFICATE)
        })?,
        None => {
            return Ok(CertificateMessage {
                certificates: Some(Vec::new()),
                ..CertificateMessage::default()
            });
        }
    };
    use sha1::{Digest, Sha1};
    let region = &context.scope.region;
    Ok(CertificateMessage {
        default_certificate_for_new_launches: Some(CERTIFICATE.to_owned()),
        certificates: Some(vec![Certificate {
            certificate_identifier: Some(CERTIFICATE.to_owned()),
            certificate_type: Some("CA".to_owned()),
            thumbprint: Some(danbi_core::hex::encode(Sha1::digest(&authority.der))),
            valid_from: Some(time(authority.valid_from)),
            valid_till: Some(time(authority.valid_till)),
            certificate_arn: Some(format!("arn:aws:rds:{region}::cert:{CERTIFICATE}")),
            customer_override: Some(false),
            ..Certificate::default()
        }]),
        marker: None,
    })
}

/// There are none: a cluster is in one region.
pub(crate) async fn global_clusters(
    _: Arc<Rds>,
    _: RequestContext,
    input: DescribeGlobalClustersMessage,
) -> Result<GlobalClustersMessage> {
    match &input.global_cluster_identifier {
        Some(name) => Err(Error::Aws(
            "GlobalClusterNotFoundFault",
            404,
            format!("Global cluster {name} not found."),
        )),
        None => Ok(GlobalClustersMessage {
            marker: None,
            global_clusters: Some(Vec::new()),
        }),
    }
}

/// There are none: servers are replaced with the distribution's packages, by whoever looks after the machine.
pub(crate) async fn pending_maintenance(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DescribePendingMaintenanceActionsMessage,
) -> Result<PendingMaintenanceActionsMessage> {
    if let Some(arn) = &input.resource_identifier {
        let gone = || Error::Aws("ResourceNotFoundFault", 404, format!("Resource {arn} not found."));
        let (kind, name) = names::of_arn(&context.scope, arn).ok_or_else(gone)?;
        if !matches!(kind, Kind::Instance | Kind::Cluster) {
            return Err(gone());
        }
        describe::load(&rds, kind, &context.scope, &name)
            .await
            .map_err(|error| match error {
                Error::Aws(_, 404, _) => gone(),
                error => error,
            })?;
    }
    Ok(PendingMaintenanceActionsMessage {
        pending_maintenance_actions: Some(Vec::new()),
        marker: None,
    })
}

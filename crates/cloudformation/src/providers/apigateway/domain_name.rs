use super::patch;
use crate::providers::work::{and, lower_keys};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::ApiGateway::DomainName
pub(super) struct DomainName;

async fn made(work: &Work<'_>, name: &str) -> Outcome<Made> {
    let found = work
        .call("apigateway", "GetDomainName", json!({ "domainName": name }))
        .await?;
    let mut made = Made::new(name);
    for (attribute, member) in [
        ("DistributionDomainName", "distributionDomainName"),
        ("DistributionHostedZoneId", "distributionHostedZoneId"),
        ("RegionalDomainName", "regionalDomainName"),
        ("RegionalHostedZoneId", "regionalHostedZoneId"),
        ("DomainNameArn", "domainNameArn"),
    ] {
        made = made.with(attribute, found.get(member).cloned().unwrap_or(Value::Null));
    }
    Ok(made)
}

#[async_trait]
impl Provider for DomainName {
    fn kind(&self) -> &'static str {
        "AWS::ApiGateway::DomainName"
    }
    fn required(&self) -> &'static [&'static str] {
        &["DomainName"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["DomainName"]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("DomainName")
    }
    fn takes_tags(&self) -> bool {
        true
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let tags = work.tag_map();
        let further = json!({
            "endpointConfiguration": lower_keys(work.get("EndpointConfiguration")),
            "mutualTlsAuthentication": lower_keys(work.get("MutualTlsAuthentication")),
            "tags": if tags.is_empty() { Value::Null } else { Value::Object(tags) },
        });
        let picked = work.pick_lower(&[
            "DomainName",
            "CertificateArn",
            "RegionalCertificateArn",
            "SecurityPolicy",
            "OwnershipVerificationCertificateArn",
        ]);
        work.make("apigateway", "CreateDomainName", and(picked, further))
            .await?;
        made(work, &work.must("DomainName")?).await
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let patches = patch::plain(
            work,
            &[
                ("CertificateArn", "/certificateArn"),
                ("RegionalCertificateArn", "/regionalCertificateArn"),
                ("SecurityPolicy", "/securityPolicy"),
                (
                    "OwnershipVerificationCertificateArn",
                    "/ownershipVerificationCertificateArn",
                ),
            ],
        );
        if !patches.is_empty() {
            let input = json!({ "domainName": id, "patchOperations": patches });
            work.call("apigateway", "UpdateDomainName", input).await?;
        }
        let arn = format!("arn:aws:apigateway:{}::/domainnames/{id}", work.context.scope.region);
        let members = ["resourceArn", "tags", "tagKeys"];
        work.retag("apigateway", ["TagResource", "UntagResource"], members, &arn, false)
            .await?;
        made(work, id).await
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("apigateway", "DeleteDomainName", json!({ "domainName": id }))
            .await
    }
}

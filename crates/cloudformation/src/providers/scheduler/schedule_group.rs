use crate::names::Naming;
use crate::providers::work::and;
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::json;

/// AWS::Scheduler::ScheduleGroup
pub(super) struct ScheduleGroup;

fn made(work: &Work<'_>, name: &str) -> Made {
    Made::new(name).with("Arn", work.arn("scheduler", &format!("schedule-group/{name}")))
}

#[async_trait]
impl Provider for ScheduleGroup {
    fn kind(&self) -> &'static str {
        "AWS::Scheduler::ScheduleGroup"
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["Name"]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("Name")
    }
    fn takes_tags(&self) -> bool {
        true
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("Name", Naming::up_to(64));
        let input = json!({ "Name": name, "ClientToken": work.token });
        work.make(
            "scheduler",
            "CreateScheduleGroup",
            and(input, json!({ "Tags": work.tag_list() })),
        )
        .await?;
        Ok(made(work, &name))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let arn = work.arn("scheduler", &format!("schedule-group/{id}"));
        let members = ["ResourceArn", "Tags", "TagKeys"];
        work.retag("scheduler", ["TagResource", "UntagResource"], members, &arn, true)
            .await?;
        Ok(made(work, id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("scheduler", "DeleteScheduleGroup", json!({ "Name": id }))
            .await
    }
}

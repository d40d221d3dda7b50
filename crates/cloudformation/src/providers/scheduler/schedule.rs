use crate::names::Naming;
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::Scheduler::Schedule
pub(super) struct Schedule;

const MEMBERS: [&str; 10] = [
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "Description",
    "FlexibleTimeWindow",
    "GroupName",
    "KmsKeyArn",
    "StartDate",
    "EndDate",
    "State",
    "Target",
];

fn input(work: &Work<'_>, name: &str) -> Value {
    and(work.pick(&MEMBERS), json!({ "Name": name, "ClientToken": work.token }))
}

fn made(work: &Work<'_>, name: &str) -> Made {
    let group = work.text("GroupName").unwrap_or_else(|| "default".into());
    Made::new(name).with("Arn", work.arn("scheduler", &format!("schedule/{group}/{name}")))
}

#[async_trait]
impl Provider for Schedule {
    fn kind(&self) -> &'static str {
        "AWS::Scheduler::Schedule"
    }
    fn required(&self) -> &'static [&'static str] {
        &["FlexibleTimeWindow", "ScheduleExpression", "Target"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["Name", "GroupName"]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("Name")
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("Name", Naming::up_to(64));
        if let Some(created) = work.make("scheduler", "CreateSchedule", input(work, &name)).await? {
            return Ok(made(work, &name).with("Arn", output_text(&created, "/ScheduleArn")?));
        }
        Ok(made(work, &name))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        work.call("scheduler", "UpdateSchedule", input(work, id)).await?;
        Ok(made(work, id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        let input = and(json!({ "Name": id }), json!({ "GroupName": work.get("GroupName") }));
        work.remove("scheduler", "DeleteSchedule", input).await
    }
}

//! What a team has elsewhere: the stack that lets Lastgood into another account, and machines of
//! its own.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use aws_sdk_cloudformation::{
    Client as CloudFormation,
    types::{Capability, Parameter, Stack},
};
use gateway::Place;
use serde_json::json;

use super::account::Account;
use crate::{stack, system::System};

const STACK: &str = "lastgood-target";

/// Makes the stack that the owner of targets makes, who names them; gives the role.
///
/// # Errors
/// When CloudFormation refuses, or is not done in time.
pub async fn target_stack(
    system: &System,
    there: &Place,
    external_id: &str,
    named: [(&str, &str); 3],
) -> Result<String> {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/target-account.yaml");
    let home = system.home();
    let cloudformation = CloudFormation::new(&stack::sdk(&system.endpoint(), there));
    let about = [
        ("LastgoodAccountId", home.account.as_str()),
        ("LastgoodRegion", &home.region),
        ("ExternalId", external_id),
    ];
    let parameters = about.into_iter().chain(named).map(|(name, value)| {
        Parameter::builder()
            .parameter_key(name)
            .parameter_value(value)
            .build()
    });
    let create = cloudformation
        .create_stack()
        .stack_name(STACK)
        .template_body(fs::read_to_string(template)?)
        .set_parameters(Some(parameters.collect()))
        .capabilities(Capability::CapabilityNamedIam);
    create.send().await?;
    for _look in 0..200 {
        let told = cloudformation.describe_stacks().stack_name(STACK);
        let told = told.send().await?;
        let made = told.stacks().first().context("the stack")?;
        match made.stack_status().map_or("", |status| status.as_str()) {
            "CREATE_COMPLETE" => return role_of(made),
            "CREATE_IN_PROGRESS" => tokio::time::sleep(Duration::from_millis(100)).await,
            other => anyhow::bail!("the stack is {other}: {:?}", made.stack_status_reason()),
        }
    }
    anyhow::bail!("the stack is not made")
}

fn role_of(stack: &Stack) -> Result<String> {
    let mut outputs = stack.outputs().iter();
    let role = outputs.find(|output| output.output_key() == Some("TargetRoleArn"));
    let role = role.and_then(|role| role.output_value());
    Ok(role.context("a role")?.to_owned())
}

/// A group that finds machines of one's own by their tag.
///
/// # Errors
/// When CodeDeploy refuses.
pub async fn make_cellar(account: &Account, stage: &str, machines: &[&str]) -> Result<()> {
    let home = &account.home().account;
    for machine in machines {
        let session = format!("arn:aws:sts::{home}:assumed-role/Cellar/{machine}");
        let input = json!({ "instanceName": machine, "iamSessionArn": session });
        account
            .codedeploy("RegisterOnPremisesInstance", input)
            .await?;
    }
    let tags = json!([{ "Key": "stage", "Value": stage }]);
    let input = json!({ "instanceNames": machines, "tags": tags });
    account
        .codedeploy("AddTagsToOnPremisesInstances", input)
        .await?;
    let filter = json!([{ "Key": "stage", "Value": stage, "Type": "KEY_AND_VALUE" }]);
    let input = json!({
        "applicationName": "cellar",
        "deploymentGroupName": stage,
        "deploymentConfigName": "CodeDeployDefault.OneAtATime",
        "serviceRoleArn": format!("arn:aws:iam::{home}:role/codedeploy"),
        "onPremisesInstanceTagFilters": filter,
    });
    account
        .codedeploy("CreateDeploymentGroup", input)
        .await
        .map(drop)
}

//! What the demo's team has before Lastgood comes: an ECS service and a CodeDeploy deployment group
//! per stage, each behind a load balancer with an alarm on its errors; and the service files that
//! describe them to Lastgood.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::account::Account;

/// The container that gets the release's image.
pub const CONTAINER: &str = "web";
/// An alarm fires when there are more errors than this within its period.
const ERRORS_MAX: u32 = 5;
/// The shortest period of a CloudWatch alarm, in seconds (metrics of high resolution).
const ALARM_PERIOD_SECONDS: u32 = 10;
/// Tags in which the local fleet tells where a front door is, and under which name CloudWatch
/// knows its balancer.
const URL_TAG: &str = "local:url";
const BALANCER_TAG: &str = "local:balancer";

/// How long a new ECS service may take until it runs all its tasks.
const STEADY_MAX: Duration = Duration::from_secs(30);
/// Between two looks whether it does.
const STEADY_POLL: Duration = Duration::from_millis(200);

/// Where people reach what runs on a stage, and what CloudWatch calls that place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// The front door's address.
    pub url: String,
    /// The load balancer's name in CloudWatch.
    pub balancer: String,
}

/// Makes a cluster with an ECS service of `count` tasks that is to run `image`.
///
/// # Errors
/// When ECS refuses.
pub async fn make_ecs_service(
    account: &Account,
    cluster: &str,
    service: &str,
    count: u32,
    image: &str,
) -> Result<Door> {
    account
        .ecs("CreateCluster", json!({ "clusterName": cluster }))
        .await?;
    let family = format!("{cluster}-{service}");
    let role = format!(
        "arn:aws:iam::{}:role/{service}TaskExecutionRole",
        account.home().account
    );
    let definition = json!({
        "family": family,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": role,
        "containerDefinitions": [{
            "name": CONTAINER,
            "image": image,
            "essential": true,
            "portMappings": [{ "containerPort": 8080 }],
            "environment": [{ "name": "STAGE", "value": cluster }],
        }],
    });
    account.ecs("RegisterTaskDefinition", definition).await?;
    let input = json!({
        "cluster": cluster,
        "serviceName": service,
        "taskDefinition": family,
        "desiredCount": count,
        "launchType": "FARGATE",
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": { "enable": true, "rollback": true },
            "minimumHealthyPercent": 100,
            "maximumPercent": 200,
        },
    });
    account.ecs("CreateService", input).await?;
    let input = json!({ "cluster": cluster, "services": [service], "include": ["TAGS"] });
    let answer = account.ecs("DescribeServices", input).await?;
    let tags = answer.pointer("/services/0/tags").unwrap_or(&Value::Null);
    Ok(Door {
        url: tag(tags, ["key", "value"], URL_TAG)?,
        balancer: tag(tags, ["key", "value"], BALANCER_TAG)?,
    })
}

/// Waits until a new ECS service runs all its tasks.
///
/// # Errors
/// When it does not within [`STEADY_MAX`].
pub async fn steady(account: &Account, cluster: &str, service: &str) -> Result<()> {
    let input = json!({ "cluster": cluster, "services": [service] });
    let began = Instant::now();
    while began.elapsed() < STEADY_MAX {
        let answer = account.ecs("DescribeServices", input.clone()).await?;
        let state = answer.pointer("/services/0/deployments/0/rolloutState");
        if state.and_then(Value::as_str) == Some("COMPLETED") {
            return Ok(());
        }
        tokio::time::sleep(STEADY_POLL).await;
    }
    anyhow::bail!("the ECS service {cluster}/{service} does not become steady")
}

/// Makes a CodeDeploy application.
///
/// # Errors
/// When CodeDeploy refuses.
pub async fn make_application(account: &Account, application: &str) -> Result<()> {
    let input = json!({ "applicationName": application, "computePlatform": "Server" });
    account
        .codedeploy("CreateApplication", input)
        .await
        .map(drop)
}

/// Makes a deployment group with `count` instances of its own behind a load balancer, which are
/// deployed to one at a time.
///
/// # Errors
/// When CodeDeploy refuses.
pub async fn make_group(
    account: &Account,
    application: &str,
    group: &str,
    count: u32,
) -> Result<Door> {
    let balancer = format!("{application}-{group}");
    let stage = json!([{ "Key": "stage", "Value": balancer }]);
    let made = [("Name", &*balancer), ("TargetType", "instance")];
    account
        .query("elasticloadbalancing", "CreateTargetGroup", &made)
        .await?;
    let launch = json!({ "tags": stage, "count": count });
    account.codedeploy("LocalLaunchInstances", launch).await?;
    let home = account.home();
    let filter = json!([{ "Key": "stage", "Value": balancer, "Type": "KEY_AND_VALUE" }]);
    let input = json!({
        "applicationName": application,
        "deploymentGroupName": group,
        "deploymentConfigName": "CodeDeployDefault.OneAtATime",
        "serviceRoleArn": format!("arn:aws:iam::{}:role/codedeploy", home.account),
        "ec2TagFilters": filter,
        "deploymentStyle": {
            "deploymentType": "IN_PLACE",
            "deploymentOption": "WITH_TRAFFIC_CONTROL",
        },
        "loadBalancerInfo": { "targetGroupInfoList": [{ "name": balancer }] },
        "autoRollbackConfiguration": { "enabled": true, "events": ["DEPLOYMENT_FAILURE"] },
    });
    account.codedeploy("CreateDeploymentGroup", input).await?;
    let arn = format!(
        "arn:aws:codedeploy:{}:{}:deploymentgroup:{application}/{group}",
        home.region, home.account
    );
    let input = json!({ "ResourceArn": arn });
    let answer = account.codedeploy("ListTagsForResource", input).await?;
    let tags = answer.get("Tags").unwrap_or(&Value::Null);
    let url = tag(tags, ["Key", "Value"], URL_TAG)?;
    Ok(Door { url, balancer })
}

/// Makes an alarm on the errors of what answers behind a balancer.
///
/// # Errors
/// When CloudWatch refuses.
pub async fn make_alarm(account: &Account, name: &str, door: &Door) -> Result<()> {
    let input = json!({
        "AlarmName": name,
        "AlarmDescription": "The application answers with errors.",
        "Namespace": "AWS/ApplicationELB",
        "MetricName": "HTTPCode_Target_5XX_Count",
        "Dimensions": [{ "Name": "LoadBalancer", "Value": door.balancer }],
        "Statistic": "Sum",
        "Period": ALARM_PERIOD_SECONDS,
        "EvaluationPeriods": 1,
        "Threshold": ERRORS_MAX,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    });
    account.cloudwatch("PutMetricAlarm", input).await.map(drop)
}

fn tag(tags: &Value, [key, value]: [&str; 2], name: &str) -> Result<String> {
    let found = tags.as_array().into_iter().flatten();
    let mut found = found.filter(|tag| tag.get(key).and_then(Value::as_str) == Some(name));
    let text = found.next().and_then(|tag| tag.get(value)?.as_str());
    text.map(str::to_owned)
        .with_context(|| format!("the local fleet tells no {name}"))
}

//! The people of the local system: IAM users with keys of their own, so that an approval can come
//! from somebody else than the author. Their rights on Lastgood are the template's own policies.

use gateway::{Emulator, EmulatorError, Place};

use crate::{stack::Outputs, trouble::Trouble};

/// Somebody who can be tried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// The user's name.
    pub name: &'static str,
    /// What they are, for people.
    pub role: &'static str,
    /// The stack's outputs that name their policies.
    policies: &'static [&'static str],
}

/// Everybody.
pub const PEOPLE: [Person; 4] = [
    Person {
        name: "alice",
        role: "release manager",
        policies: &["ReleaserPolicyArn", "ApproverPolicyArn"],
    },
    Person {
        name: "ravi",
        role: "developer",
        policies: &["ReleaserPolicyArn", "ApproverPolicyArn", "PublishPolicyArn"],
    },
    Person {
        name: "mira",
        role: "product owner, who approves and nothing else",
        policies: &["ApproverPolicyArn"],
    },
    Person {
        name: "vera",
        role: "auditor, who only reads",
        policies: &["ReaderPolicyArn"],
    },
];

/// What they may do besides: look at everything, push images, send metrics. Nothing here deploys.
const LOOK_AND_BUILD: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Allow",
        "Action": [
            "cloudformation:Describe*", "cloudwatch:Describe*", "cloudwatch:Get*",
            "cloudwatch:PutMetricData", "codedeploy:BatchGet*", "codedeploy:Get*",
            "codedeploy:List*", "ecr:BatchGetImage", "ecr:Describe*", "ecr:GetAuthorizationToken",
            "ecr:PutImage", "ecs:Describe*", "ecs:List*",
            "elasticloadbalancing:Describe*", "logs:FilterLogEvents", "logs:Get*",
            "s3:GetObject*", "s3:ListAllMyBuckets", "s3:ListBucket*", "sns:List*"
        ],
        "Resource": "*"
    }]
}"#;

/// A key, as it belongs into an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its public part.
    pub access_key: String,
    /// Its secret part.
    pub secret: String,
}

/// Makes a person, with rights and a key. `iam` must lead through the gateway, which has to learn
/// the key's secret.
///
/// # Errors
/// When IAM refuses, or the stack lacks a policy.
pub(crate) async fn hire(
    iam: &Emulator,
    home: &Place,
    person: Person,
    outputs: &Outputs,
) -> Result<Key, Trouble> {
    let ask = async |parameters: &[(&str, &str)]| -> Result<String, Trouble> {
        let user = ("UserName", person.name);
        let parameters: Vec<_> = parameters.iter().copied().chain([user]).collect();
        iam.query(home, "iam", &parameters)
            .await
            .map_err(Trouble::aws("make a person"))
    };
    ask(&[("Action", "CreateUser")]).await?;
    for policy in person.policies {
        let arn = outputs.get(policy)?;
        ask(&[("Action", "AttachUserPolicy"), ("PolicyArn", arn)]).await?;
    }
    ask(&[
        ("Action", "PutUserPolicy"),
        ("PolicyName", "look-and-build"),
        ("PolicyDocument", LOOK_AND_BUILD),
    ])
    .await?;
    let answer = ask(&[("Action", "CreateAccessKey")]).await?;
    let field = |name: &str| {
        gateway::xml_text(&answer, name).ok_or_else(|| {
            let error = EmulatorError::Protocol(format!("no {name} in the answer").into());
            Trouble::aws("make a person")(error)
        })
    };
    Ok(Key {
        access_key: field("AccessKeyId")?,
        secret: field("SecretAccessKey")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_may_do_deploys_nothing() {
        let policy: serde_json::Value = serde_json::from_str(LOOK_AND_BUILD).unwrap();
        let actions = policy["Statement"][0]["Action"].as_array().unwrap();
        for action in actions.iter().filter_map(serde_json::Value::as_str) {
            let (service, verb) = action.split_once(':').unwrap();
            let reads = ["BatchGet", "Describe", "Get", "List"]
                .iter()
                .any(|it| verb.starts_with(it));
            assert!(
                reads || !["ecs", "codedeploy", "iam", "lambda"].contains(&service),
                "{action}"
            );
        }
    }
}

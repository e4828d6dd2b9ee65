//! Calls about on-premises instances. Registering one makes the machine, with an agent on it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CodeDeploy,
    instance::MachineKind,
    state::{Known, Principal, State},
    tags::set_tags,
    wire::{Tag, TagFilter, compact, page, parse, required},
};
use crate::{
    api::{ApiError, Call},
    envelope::{Place, epoch},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    instance_name: Option<String>,
    iam_session_arn: Option<String>,
    iam_user_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Many {
    #[serde(default)]
    instance_names: Vec<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    #[serde(default)]
    tag_filters: Vec<TagFilter>,
    next_token: Option<String>,
}

impl CodeDeploy {
    pub(super) async fn register_on_premises(&self, call: &Call) -> Result<Value, ApiError> {
        let (place, name, input) = self.named_on_premises(call).await?;
        let principal = match (input.iam_session_arn, input.iam_user_arn) {
            (Some(arn), None) => Principal::Session(arn),
            (None, Some(arn)) => Principal::User(arn),
            (None, None) => {
                let message = "Either an IAM user ARN or an IAM session ARN is required";
                return Err(ApiError::client("IamArnRequiredException", message));
            }
            (Some(_), Some(_)) => {
                let message = "Only one of IAM user ARN and IAM session ARN can be given";
                return Err(ApiError::client(
                    "MultipleIamArnsProvidedException",
                    message,
                ));
            }
        };
        self.add_machine(
            &place,
            MachineKind::OnPremises,
            name,
            Vec::new(),
            Some(principal),
        )?;
        Ok(json!({}))
    }

    pub(super) async fn deregister_on_premises(&self, call: &Call) -> Result<Value, ApiError> {
        let (place, name, _) = self.named_on_premises(call).await?;
        // As on AWS it is no error to deregister what is not registered.
        if let Some(machine) = self.take_machine(&place, MachineKind::OnPremises, &name) {
            self.retire(&machine).await;
        }
        Ok(json!({}))
    }

    pub(super) async fn get_on_premises(&self, call: &Call) -> Result<Value, ApiError> {
        let (place, name, _) = self.named_on_premises(call).await?;
        Ok(json!({ "instanceInfo": info(registered(&mut self.state(), &place, &name)?) }))
    }

    pub(super) async fn batch_get_on_premises(&self, call: &Call) -> Result<Value, ApiError> {
        let (place, input) = self.many_on_premises(call).await?;
        let mut state = self.state();
        let names = input.instance_names.iter();
        let told: Vec<Value> = names
            .filter_map(|name| {
                registered(&mut state, &place, name)
                    .ok()
                    .map(|known| info(known))
            })
            .collect();
        Ok(json!({ "instanceInfos": told }))
    }

    pub(super) async fn add_tags_on_premises(&self, call: &Call) -> Result<Value, ApiError> {
        let (place, input) = self.many_on_premises(call).await?;
        let mut state = self.state();
        for name in &input.instance_names {
            set_tags(
                &mut registered(&mut state, &place, name)?.tags,
                input.tags.clone(),
            );
        }
        Ok(json!({}))
    }

    pub(super) async fn remove_tags_on_premises(&self, call: &Call) -> Result<Value, ApiError> {
        let (place, input) = self.many_on_premises(call).await?;
        let mut state = self.state();
        for name in &input.instance_names {
            let tags = &mut registered(&mut state, &place, name)?.tags;
            tags.retain(|tag| input.tags.iter().all(|gone| gone.key != tag.key));
        }
        Ok(json!({}))
    }

    pub(super) async fn list_on_premises(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Listing = parse(&call.body)?;
        self.allow(&call.caller, "ListOnPremisesInstances", "*")
            .await?;
        let place = call.caller.place();
        let state = self.state();
        let names = state
            .machines
            .iter()
            .filter(|((at, _), known)| {
                let wanted = input
                    .tag_filters
                    .iter()
                    .all(|filter| filter.matches(&known.tags));
                *at == place && known.machine.kind == MachineKind::OnPremises && wanted
            })
            .map(|((_, name), _)| name.clone())
            .collect();
        let (names, next) = page(names, input.next_token.as_deref())?;
        Ok(compact(
            json!({ "instanceNames": names, "nextToken": next }),
        ))
    }

    /// The instance that a call names, if the caller may.
    async fn named_on_premises(&self, call: &Call) -> Result<(Place, String, Named), ApiError> {
        let mut input: Named = parse(&call.body)?;
        let code = "InstanceNameRequiredException";
        let name = required(input.instance_name.take(), code, "Instance name")?;
        let place = call.caller.place();
        self.allow(&call.caller, &call.operation, &arn(&place, &name))
            .await?;
        Ok((place, name, input))
    }

    /// The instances that a call names, if the caller may.
    async fn many_on_premises(&self, call: &Call) -> Result<(Place, Many), ApiError> {
        let input: Many = parse(&call.body)?;
        let place = call.caller.place();
        for name in &input.instance_names {
            self.allow(&call.caller, &call.operation, &arn(&place, name))
                .await?;
        }
        Ok((place, input))
    }
}

/// The ARN that permissions on an on-premises instance name.
fn arn(place: &Place, name: &str) -> String {
    format!(
        "arn:aws:codedeploy:{}:{}:instance:{name}",
        place.region, place.account
    )
}

fn registered<'a>(
    state: &'a mut State,
    place: &Place,
    name: &str,
) -> Result<&'a mut Known, ApiError> {
    let known = state.machines.get_mut(&(place.clone(), name.to_owned()));
    known
        .filter(|known| known.machine.kind == MachineKind::OnPremises)
        .ok_or_else(|| {
            let message = format!("The on-premises instance {name} is not registered");
            ApiError::client("InstanceNotRegisteredException", message)
        })
}

/// An instance as callers read it.
fn info(known: &Known) -> Value {
    let (session, user) = match &known.principal {
        Some(Principal::Session(arn)) => (Some(arn), None),
        Some(Principal::User(arn)) => (None, Some(arn)),
        None => (None, None),
    };
    compact(json!({
        "instanceName": known.machine.id,
        "iamSessionArn": session,
        "iamUserArn": user,
        "instanceArn": known.machine.arn,
        "registerTime": epoch(known.since),
        "tags": known.tags,
    }))
}

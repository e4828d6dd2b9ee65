//! EventBridge Scheduler: schedules.

use http::Method;
use serde_json::{Value, json};

use super::{Calls, PAGES_MAX, encoded, list, text};
use crate::{Place, client::CallError};

impl Calls {
    /// All schedules, each as `GetSchedule` tells it.
    pub(crate) async fn schedules(&self, place: &Place) -> Result<Vec<Value>, CallError> {
        let mut all = Vec::new();
        let mut token = String::new();
        for _ in 0..PAGES_MAX {
            let path = format!("/schedules?MaxResults=100{token}");
            let answer = self
                .rest(place, "scheduler", Method::GET, path, None)
                .await?;
            for schedule in list(&answer, "Schedules") {
                let (name, group) = (text(&schedule, "Name")?, text(&schedule, "GroupName")?);
                let path = format!(
                    "/schedules/{}?groupName={}",
                    encoded(&name),
                    encoded(&group)
                );
                all.push(
                    self.rest(place, "scheduler", Method::GET, path, None)
                        .await?,
                );
            }
            let Some(next) = answer.get("NextToken").and_then(Value::as_str) else {
                break;
            };
            token = format!("&NextToken={}", encoded(next));
        }
        Ok(all)
    }

    /// Changes a schedule to this.
    pub(crate) async fn update_schedule(
        &self,
        place: &Place,
        name: &str,
        schedule: &Value,
    ) -> Result<(), CallError> {
        let path = format!("/schedules/{}", encoded(name));
        self.rest(place, "scheduler", Method::PUT, path, Some(schedule))
            .await
            .map(drop)
    }

    /// The names of a schedule's tags.
    pub(crate) async fn schedule_tags(
        &self,
        place: &Place,
        arn: &str,
    ) -> Result<Vec<String>, CallError> {
        let path = format!("/tags/{}", encoded(arn));
        let answer = self
            .rest(place, "scheduler", Method::GET, path, None)
            .await?;
        list(&answer, "Tags")
            .iter()
            .map(|tag| text(tag, "Key"))
            .collect()
    }

    /// Tags a schedule.
    pub(crate) async fn tag_schedule(
        &self,
        place: &Place,
        arn: &str,
        name: &str,
    ) -> Result<(), CallError> {
        let path = format!("/tags/{}", encoded(arn));
        let body = json!({ "Tags": [{ "Key": name, "Value": "true" }] });
        self.rest(place, "scheduler", Method::POST, path, Some(&body))
            .await
            .map(drop)
    }
}

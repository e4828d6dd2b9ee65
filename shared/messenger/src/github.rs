//! GitHub's deployments: finding and making them, and saying how they stand (REST API,
//! "Deployments" and "Deployment statuses").

use std::fmt;

use engine::follow::Untold;
use engine::publish::{Deployments, Status, Wanted};
use forge::{Repository, Settings, Spot};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::{Answered, CALL_WITHIN, Call, Http};

mod answer;

/// The version of the API that is meant.
const API_VERSION: &str = "2022-11-28";
/// What our deployments have in their payload, to be found again by.
const MARK: &str = "lastgood";
/// How many deployments of one commit in one environment are looked through (GitHub's most).
const LISTED_MAX: &str = "100";

/// Calls GitHub.
pub struct GitHub {
    http: Http,
    api: String,
    token: String,
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub")
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Listed {
    id: u64,
    #[serde(default)]
    payload: Value,
}

#[derive(Deserialize)]
struct Made {
    id: u64,
}

impl Listed {
    /// Whether it is the one with this mark. A payload comes back as it was sent, or as its text.
    fn has(&self, mark: &str) -> bool {
        let text = self.payload.as_str();
        let read = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let payload = read.as_ref().unwrap_or(&self.payload);
        payload.get(MARK).and_then(Value::as_str) == Some(mark)
    }
}

impl GitHub {
    /// Calls GitHub as the settings say.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            http: Http::new(),
            api: settings.api.clone(),
            token: settings.token.clone(),
        }
    }

    async fn find(&self, wanted: &Wanted) -> Result<Option<u64>, Untold> {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("ref", &wanted.commit)
            .append_pair("environment", &wanted.environment)
            .append_pair("per_page", LISTED_MAX)
            .finish();
        let address = format!("{}?{query}", self.deployments(&wanted.repository));
        let answered = self.call("GET", &address, None).await?;
        let listed: Vec<Listed> = answer::of_repository(&answered)?;
        let mark = wanted.mark.to_string();
        Ok(listed.iter().find(|it| it.has(&mark)).map(|it| it.id))
    }

    async fn make(&self, wanted: &Wanted) -> Result<u64, Untold> {
        let body = json!({
            "ref": wanted.commit,
            // What was built is deployed already: nothing is merged, and no check is waited for.
            "auto_merge": false,
            "required_contexts": [],
            "environment": wanted.environment,
            "production_environment": wanted.production,
            "transient_environment": false,
            "description": wanted.description,
            "payload": { MARK: wanted.mark.to_string() },
        });
        let address = self.deployments(&wanted.repository);
        let answered = self.call("POST", &address, Some(&body)).await?;
        answer::of_repository(&answered).map(|Made { id }| id)
    }

    fn deployments(&self, repository: &Repository) -> String {
        format!("{}/repos/{repository}/deployments", self.api)
    }

    /// A repository that was renamed says where it is now.
    async fn call(
        &self,
        method: &'static str,
        address: &str,
        body: Option<&Value>,
    ) -> Result<Answered, Untold> {
        let answered = self.once(method, address, body).await?;
        match answer::moved(&answered, &self.api) {
            Some(address) => self.once(method, address, body).await,
            None => Ok(answered),
        }
    }

    async fn once(
        &self,
        method: &'static str,
        address: &str,
        body: Option<&Value>,
    ) -> Result<Answered, Untold> {
        let headers = vec![
            ("accept", "application/vnd.github+json".to_owned()),
            ("authorization", format!("Bearer {}", self.token)),
            ("content-type", "application/json".to_owned()),
            // GitHub answers nobody who does not say who they are.
            ("user-agent", "lastgood".to_owned()),
            ("x-github-api-version", API_VERSION.to_owned()),
        ];
        let call = Call {
            method,
            address,
            headers,
            body: body.map(Value::to_string),
        };
        let answered = self.http.call(call, CALL_WITHIN).await;
        answered.map_err(|error| Untold::Later {
            after: None,
            why: error.to_string(),
        })
    }
}

impl Deployments for GitHub {
    async fn show(&self, wanted: &Wanted) -> Result<Spot, Untold> {
        let id = match self.find(wanted).await? {
            Some(id) => id,
            None => self.make(wanted).await?,
        };
        Ok(Spot {
            repository: wanted.repository.clone(),
            id,
        })
    }

    async fn stand(&self, spot: &Spot, status: &Status) -> Result<(), Untold> {
        let mut body = json!({
            "state": status.state.as_str(),
            "description": status.description,
            // GitHub would go by the environment's name, which services may share.
            "auto_inactive": false,
        });
        if let (Some(body), Some(page)) = (body.as_object_mut(), &status.log_url) {
            body.insert("log_url".to_owned(), json!(page));
        }
        let deployments = self.deployments(&spot.repository);
        let address = format!("{deployments}/{}/statuses", spot.id);
        let answered = self.call("POST", &address, Some(&body)).await?;
        answer::of_deployment(&answered)
    }
}

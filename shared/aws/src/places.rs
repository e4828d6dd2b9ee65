//! Where targets live: clients per account, Region and role. A role is assumed once and again
//! shortly before its session ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use aws_types::SdkConfig;
use aws_types::region::Region as AwsRegion;
use domain::config::{AssumedRole, Place};
use domain::{AccountId, Region};
use engine::PlatformError;

use crate::errors::{Trouble, cut};

/// A session is renewed so long before its end.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);
/// How long a session is used when STS names no end.
const SESSION_LASTS: Duration = Duration::from_secs(15 * 60);
/// What a session is called outside of Lambda. Within it bears the function's name, by which a role
/// tells the deployer from those that only look.
const SESSION_NAME: &str = "lastgood";

/// The clients of one account, Region and role; each made when first used.
#[derive(Debug)]
pub(crate) struct Clients {
    config: SdkConfig,
    #[cfg(feature = "balancers")]
    balancers: OnceLock<aws_sdk_elasticloadbalancingv2::Client>,
    cloudwatch: OnceLock<aws_sdk_cloudwatch::Client>,
    codedeploy: OnceLock<aws_sdk_codedeploy::Client>,
    ecr: OnceLock<aws_sdk_ecr::Client>,
    ecs: OnceLock<aws_sdk_ecs::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
    secrets: OnceLock<aws_sdk_secretsmanager::Client>,
    plain: OnceLock<SharedHttpConnector>,
}

impl Clients {
    fn new(config: SdkConfig) -> Self {
        Self {
            config,
            #[cfg(feature = "balancers")]
            balancers: OnceLock::new(),
            cloudwatch: OnceLock::new(),
            codedeploy: OnceLock::new(),
            ecr: OnceLock::new(),
            ecs: OnceLock::new(),
            s3: OnceLock::new(),
            secrets: OnceLock::new(),
            plain: OnceLock::new(),
        }
    }

    /// Who plays AWS, when it is not AWS.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        self.config.endpoint_url()
    }

    #[cfg(feature = "balancers")]
    pub(crate) fn balancers(&self) -> &aws_sdk_elasticloadbalancingv2::Client {
        self.balancers
            .get_or_init(|| aws_sdk_elasticloadbalancingv2::Client::new(&self.config))
    }

    pub(crate) fn cloudwatch(&self) -> &aws_sdk_cloudwatch::Client {
        self.cloudwatch
            .get_or_init(|| aws_sdk_cloudwatch::Client::new(&self.config))
    }

    pub(crate) fn codedeploy(&self) -> &aws_sdk_codedeploy::Client {
        self.codedeploy
            .get_or_init(|| aws_sdk_codedeploy::Client::new(&self.config))
    }

    pub(crate) fn ecr(&self) -> &aws_sdk_ecr::Client {
        self.ecr
            .get_or_init(|| aws_sdk_ecr::Client::new(&self.config))
    }

    pub(crate) fn ecs(&self) -> &aws_sdk_ecs::Client {
        self.ecs
            .get_or_init(|| aws_sdk_ecs::Client::new(&self.config))
    }

    pub(crate) fn secrets(&self) -> &aws_sdk_secretsmanager::Client {
        self.secrets
            .get_or_init(|| aws_sdk_secretsmanager::Client::new(&self.config))
    }

    /// Buckets have no host names of their own behind another endpoint than AWS's.
    pub(crate) fn s3(&self) -> &aws_sdk_s3::Client {
        self.s3.get_or_init(|| {
            let config = aws_sdk_s3::config::Builder::from(&self.config)
                .force_path_style(self.config.endpoint_url().is_some())
                .build();
            aws_sdk_s3::Client::from_conf(config)
        })
    }

    /// HTTP without a signature, for addresses that carry one.
    pub(crate) fn plain(&self) -> &SharedHttpConnector {
        self.plain.get_or_init(|| {
            let connector = Connector::builder()
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .build();
            SharedHttpConnector::new(connector)
        })
    }
}

/// All places, from home.
#[derive(Debug)]
pub struct Places {
    home: SdkConfig,
    account: AccountId,
    region: Region,
    session_name: String,
    known: Mutex<BTreeMap<Place, Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    clients: Arc<Clients>,
    until: Option<SystemTime>,
}

impl Places {
    /// Everything is reached from here: with these credentials, or with a role assumed by them.
    #[must_use]
    pub fn new(home: SdkConfig, account: AccountId, region: Region) -> Self {
        let session_name = std::env::var("AWS_LAMBDA_FUNCTION_NAME")
            .ok()
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| SESSION_NAME.to_owned());
        Self {
            home,
            account,
            region,
            session_name,
            known: Mutex::new(BTreeMap::new()),
        }
    }

    /// Which account and Region are our own.
    pub(crate) fn where_home_is(&self) -> (AccountId, Region) {
        (self.account.clone(), self.region.clone())
    }

    /// Our own account and Region.
    pub(crate) async fn home(&self) -> Result<Arc<Clients>, PlatformError> {
        self.own(self.region.clone()).await
    }

    /// Our own credentials in some Region: registries answer other accounts by their own policies.
    pub(crate) async fn own(&self, region: Region) -> Result<Arc<Clients>, PlatformError> {
        self.at(&Place {
            account: self.account.clone(),
            region,
            role: None,
        })
        .await
    }

    /// A place's clients.
    ///
    /// A place in another account needs a role: without one the calls would go to our own account
    /// and might find something else of the same name there.
    pub(crate) async fn at(&self, place: &Place) -> Result<Arc<Clients>, PlatformError> {
        if let Some(clients) = self.fresh(place) {
            return Ok(clients);
        }
        let region = AwsRegion::new(place.region.as_str().to_owned());
        let builder = self.home.to_builder().region(region);
        let (config, until) = match &place.role {
            Some(role) => {
                let session = self.assume(role).await?;
                let until = session
                    .expiry()
                    .unwrap_or_else(|| SystemTime::now() + SESSION_LASTS);
                let provider = SharedCredentialsProvider::new(session);
                (builder.credentials_provider(provider).build(), Some(until))
            }
            None if place.account == self.account => (builder.build(), None),
            None => {
                return Err(PlatformError::Terminal(format!(
                    "the target lives in account {}, and the stage names no role to assume there",
                    place.account
                )));
            }
        };
        let clients = Arc::new(Clients::new(config));
        let known = Known {
            clients: Arc::clone(&clients),
            until,
        };
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(place.clone(), known);
        Ok(clients)
    }

    fn fresh(&self, place: &Place) -> Option<Arc<Clients>> {
        let known = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(place)
            .cloned()?;
        let ends = known
            .until
            .and_then(|until| until.checked_sub(RENEW_BEFORE));
        let over = ends.is_some_and(|ends| ends <= SystemTime::now());
        (!over).then_some(known.clients)
    }

    async fn assume(&self, role: &AssumedRole) -> Result<Credentials, PlatformError> {
        let answer = aws_sdk_sts::Client::new(&self.home)
            .assume_role()
            .role_arn(&role.arn)
            .role_session_name(&self.session_name)
            .set_external_id(role.external_id.clone())
            .send()
            .await
            .map_err(|error| {
                let mut trouble = Trouble::of("sts:AssumeRole", &error);
                trouble.words = cut(&format!(
                    "the role {} cannot be assumed: {}",
                    role.arn, trouble.words
                ));
                PlatformError::from(trouble)
            })?;
        let session = answer.credentials.ok_or_else(|| {
            PlatformError::Transient("sts:AssumeRole: an answer without credentials".to_owned())
        })?;
        Ok(Credentials::new(
            session.access_key_id,
            session.secret_access_key,
            Some(session.session_token),
            SystemTime::try_from(session.expiration).ok(),
            "assumed",
        ))
    }
}

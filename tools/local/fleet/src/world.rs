//! What both control planes share: the way to the rest of AWS, the guard, the events, the pace,
//! and the list of balancers and places that metrics and alarms are read for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    api::{ApiError, Caller, Guard, Options, Pace},
    envelope::{Kind, Place, envelope},
    plane::Balancer,
    remote::Remote,
};

/// What both control planes share.
pub(crate) struct World {
    /// The way to the rest of AWS.
    pub(crate) remote: Remote,
    /// How long things take.
    pub(crate) pace: Pace,
    guard: Arc<dyn Guard>,
    events: UnboundedSender<Value>,
    known: Mutex<Known>,
}

/// What metrics and alarms have to look at.
#[derive(Default)]
struct Known {
    places: BTreeSet<Place>,
    balancers: BTreeMap<(Place, String), Weak<Balancer>>,
}

impl World {
    /// A world as the options say.
    pub(crate) fn new(options: Options) -> Self {
        Self {
            remote: Remote::new(&options.aws_endpoint),
            pace: options.pace,
            guard: options.guard,
            events: options.events,
            known: Mutex::new(Known::default()),
        }
    }

    /// Refuses as AWS does when `caller` may not do `action` to `resource`.
    pub(crate) async fn authorise(
        &self,
        caller: &Caller,
        action: &str,
        resource: &str,
    ) -> Result<(), ApiError> {
        if self.guard.allowed(caller, action, resource).await {
            Ok(())
        } else {
            Err(ApiError::denied(caller, action, resource))
        }
    }

    /// Sends an event in its envelope. Nobody listening any more is nobody's error.
    pub(crate) fn emit(&self, place: &Place, kind: Kind, resources: &[&str], detail: Value) {
        if self
            .events
            .send(envelope(place, kind, resources, detail))
            .is_err()
        {
            tracing::debug!(kind.detail_type, "nobody takes events any more");
        }
    }

    /// Remembers a place, so that its alarms are watched.
    pub(crate) fn saw(&self, place: &Place) {
        let mut known = self.known();
        if !known.places.contains(place) {
            known.places.insert(place.clone());
        }
    }

    /// Every place seen so far.
    pub(crate) fn places(&self) -> Vec<Place> {
        self.known().places.iter().cloned().collect()
    }

    /// Has the counts of a balancer reported to CloudWatch for as long as it lives.
    pub(crate) fn report(&self, place: &Place, balancer: &Arc<Balancer>) {
        let key = (place.clone(), balancer.name().to_owned());
        self.known().balancers.insert(key, Arc::downgrade(balancer));
    }

    /// The balancers that live, with their places.
    pub(crate) fn balancers(&self) -> Vec<(Place, Arc<Balancer>)> {
        let mut known = self.known();
        known
            .balancers
            .retain(|_, balancer| balancer.strong_count() > 0);
        known
            .balancers
            .iter()
            .filter_map(|((place, _), balancer)| Some((place.clone(), balancer.upgrade()?)))
            .collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Caller {
    /// The account and Region that the call is made in.
    pub(crate) fn place(&self) -> Place {
        Place {
            account: self.account.clone(),
            region: self.region.clone(),
        }
    }
}

//! What a balancer knows about its targets: groups, weights, health, requests in flight, counts.
//! Plain data behind the balancer's lock; nothing here talks to the network.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
};

use super::{balancer::Listener, health::HealthCheck};

/// What a balancer thinks of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Registered, not checked yet; gets no requests.
    Initial,
    /// Gets requests.
    Healthy,
    /// Failed its checks; gets requests only when no target of its group is healthy.
    Unhealthy,
    /// Deregistered; requests in flight may end, new ones go elsewhere.
    Draining,
}

/// What a health check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A good answer in time.
    Well,
    /// A bad answer, or none.
    Ill,
}

/// What a target group has counted since it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests answered by a target.
    pub requests: u64,
    /// Answers of targets with a status of 500 or more.
    pub target_5xx: u64,
}

/// A target and what is known of it.
#[derive(Debug)]
struct Target {
    health: Health,
    passes: u32,
    failures: u32,
    in_flight: usize,
}

/// A target group.
#[derive(Debug, Default)]
struct Group {
    targets: BTreeMap<SocketAddr, Target>,
    turn: usize,
    counts: Counts,
}

/// The share of a listener's requests that a group gets, and its account of smooth weighted
/// round robin.
#[derive(Debug)]
struct Share {
    group: String,
    weight: f64,
    credit: f64,
}

/// Everything a balancer knows about its targets.
#[derive(Debug, Default)]
pub(super) struct Pool {
    groups: BTreeMap<String, Group>,
    routes: HashMap<Listener, Vec<Share>>,
    /// Requests that no target could answer.
    pub(super) unanswered: u64,
}

impl Pool {
    /// Adds a target; one that drains is taken back.
    pub(super) fn register(&mut self, group: &str, addr: SocketAddr) {
        let targets = &mut self.groups.entry(group.to_owned()).or_default().targets;
        let target = targets.entry(addr).or_insert(Target {
            health: Health::Initial,
            passes: 0,
            failures: 0,
            in_flight: 0,
        });
        if target.health == Health::Draining {
            target.health = Health::Initial;
        }
    }

    /// Begins to drain a target: no request is sent to it from now on.
    pub(super) fn drain(&mut self, group: &str, addr: SocketAddr) {
        if let Some(target) = self.target(group, addr) {
            target.health = Health::Draining;
        }
    }

    /// Requests in flight to a target.
    pub(super) fn in_flight(&mut self, group: &str, addr: SocketAddr) -> usize {
        self.target(group, addr)
            .map_or(0, |target| target.in_flight)
    }

    /// Forgets a drained target.
    pub(super) fn remove(&mut self, group: &str, addr: SocketAddr) {
        if let Some(group) = self.groups.get_mut(group) {
            group
                .targets
                .retain(|at, target| *at != addr || target.health != Health::Draining);
        }
    }

    /// Sets which groups answer a listener, and with which weights.
    pub(super) fn route(&mut self, listener: Listener, weights: &[(&str, f64)]) {
        let shares = weights.iter().map(|(group, weight)| Share {
            group: (*group).to_owned(),
            weight: weight.max(0.0),
            credit: 0.0,
        });
        self.routes.insert(listener, shares.collect());
    }

    /// The weights of a listener.
    pub(super) fn weights(&self, listener: Listener) -> Vec<(String, f64)> {
        let shares = self.routes.get(&listener).into_iter().flatten();
        shares
            .map(|share| (share.group.clone(), share.weight))
            .collect()
    }

    /// Chooses a target for a request and counts it as in flight. Targets in `tried` are chosen
    /// only when there is no other.
    pub(super) fn pick(
        &mut self,
        listener: Listener,
        tried: &[SocketAddr],
    ) -> Option<(String, SocketAddr)> {
        let name = self.pick_group(listener)?;
        let group = self.groups.get_mut(&name)?;
        let addr = group.pick(tried)?;
        group.targets.get_mut(&addr)?.in_flight += 1;
        Some((name, addr))
    }

    /// Smooth weighted round robin among the groups that have a target at all.
    fn pick_group(&mut self, listener: Listener) -> Option<String> {
        let Self { groups, routes, .. } = self;
        let shares = routes.get_mut(&listener)?;
        let usable = |share: &Share| {
            share.weight > 0.0 && groups.get(&share.group).is_some_and(Group::has_target)
        };
        let total: f64 = shares
            .iter()
            .filter(|share| usable(share))
            .map(|s| s.weight)
            .sum();
        for share in shares.iter_mut().filter(|share| usable(share)) {
            share.credit += share.weight;
        }
        let best = shares
            .iter_mut()
            .filter(|share| usable(share))
            .max_by(|a, b| a.credit.total_cmp(&b.credit))?;
        best.credit -= total;
        Some(best.group.clone())
    }

    /// A request to a target is over; `status` is that of the target's answer, if it gave one.
    pub(super) fn finish(&mut self, group: &str, addr: SocketAddr) {
        if let Some(target) = self.target(group, addr) {
            target.in_flight = target.in_flight.saturating_sub(1);
        }
    }

    /// Counts an answer of a target.
    pub(super) fn count(&mut self, group: &str, status: u16) {
        if let Some(group) = self.groups.get_mut(group) {
            group.counts.requests += 1;
            group.counts.target_5xx += u64::from(status >= 500);
        }
    }

    /// What was counted, by group.
    pub(super) fn counts(&self) -> BTreeMap<String, Counts> {
        self.groups
            .iter()
            .map(|(name, group)| (name.clone(), group.counts))
            .collect()
    }

    /// The health of a target, in whatever group it is.
    pub(super) fn health(&self, addr: SocketAddr) -> Option<Health> {
        self.groups
            .values()
            .find_map(|group| group.targets.get(&addr))
            .map(|t| t.health)
    }

    /// The targets to check.
    pub(super) fn checked(&self) -> Vec<(String, SocketAddr)> {
        let all = self.groups.iter().flat_map(|(name, group)| {
            group
                .targets
                .iter()
                .map(move |(addr, target)| (name, addr, target))
        });
        all.filter(|(_, _, target)| target.health != Health::Draining)
            .map(|(name, addr, _)| (name.clone(), *addr))
            .collect()
    }

    /// Enters the result of a health check. The first pass makes a new target healthy, as behind
    /// a real load balancer; later changes need as many results in a row as the check says.
    pub(super) fn checked_as(
        &mut self,
        group: &str,
        addr: SocketAddr,
        verdict: Verdict,
        check: &HealthCheck,
    ) {
        let Some(target) = self.target(group, addr) else {
            return;
        };
        match verdict {
            Verdict::Well => (target.passes, target.failures) = (target.passes + 1, 0),
            Verdict::Ill => (target.passes, target.failures) = (0, target.failures + 1),
        }
        let up = target.passes >= check.healthy_threshold;
        let down = target.failures >= check.unhealthy_threshold;
        target.health = match target.health {
            Health::Initial if verdict == Verdict::Well => Health::Healthy,
            Health::Unhealthy if up => Health::Healthy,
            Health::Initial | Health::Healthy if down => Health::Unhealthy,
            same @ (Health::Initial | Health::Healthy | Health::Unhealthy | Health::Draining) => {
                same
            }
        };
    }

    fn target(&mut self, group: &str, addr: SocketAddr) -> Option<&mut Target> {
        self.groups.get_mut(group)?.targets.get_mut(&addr)
    }
}

impl Group {
    fn has_target(&self) -> bool {
        self.targets
            .values()
            .any(|target| target.health != Health::Draining)
    }

    /// The next target in turn: a healthy one that was not tried yet, else a healthy one, else
    /// (as real load balancers "fail open") any that does not drain.
    fn pick(&mut self, tried: &[SocketAddr]) -> Option<SocketAddr> {
        let among = |wanted: &dyn Fn(&SocketAddr, &Target) -> bool| -> Vec<SocketAddr> {
            let chosen = self
                .targets
                .iter()
                .filter(|(addr, target)| wanted(addr, target));
            chosen.map(|(addr, _)| *addr).collect()
        };
        let healthy = |target: &Target| target.health == Health::Healthy;
        let mut candidates = among(&|addr, target| healthy(target) && !tried.contains(addr));
        if candidates.is_empty() {
            candidates = among(&|_, target| healthy(target));
        }
        if candidates.is_empty() {
            candidates = among(&|_, target| target.health != Health::Draining);
        }
        self.turn = self.turn.wrapping_add(1);
        let turn = self.turn.checked_rem(candidates.len())?;
        candidates.get(turn).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn healthy(pool: &mut Pool, group: &str, port: u16) {
        pool.register(group, addr(port));
        pool.checked_as(group, addr(port), Verdict::Well, &HealthCheck::quick());
    }

    fn picked(pool: &mut Pool, n: usize) -> Vec<u16> {
        (0..n)
            .filter_map(|_| pool.pick(Listener::Production, &[]))
            .map(|p| p.1.port())
            .collect()
    }

    #[test]
    fn weights_share_the_requests_exactly() {
        let mut pool = Pool::default();
        healthy(&mut pool, "blue", 1);
        healthy(&mut pool, "green", 2);
        pool.route(Listener::Production, &[("blue", 95.0), ("green", 5.0)]);
        let green = picked(&mut pool, 200)
            .into_iter()
            .filter(|port| *port == 2)
            .count();
        assert_eq!(green, 10);
        pool.route(Listener::Production, &[("blue", 0.0), ("green", 100.0)]);
        assert!(picked(&mut pool, 50).into_iter().all(|port| port == 2));
    }

    #[test]
    fn a_draining_target_gets_nothing_new_and_is_kept_until_its_requests_end() {
        let mut pool = Pool::default();
        pool.route(Listener::Production, &[("g", 1.0)]);
        healthy(&mut pool, "g", 1);
        healthy(&mut pool, "g", 2);
        assert_eq!(picked(&mut pool, 2).len(), 2);
        pool.drain("g", addr(1));
        assert!(picked(&mut pool, 10).into_iter().all(|port| port == 2));
        assert_eq!(pool.in_flight("g", addr(1)), 1);
        pool.finish("g", addr(1));
        assert_eq!(pool.in_flight("g", addr(1)), 0);
        pool.remove("g", addr(1));
        assert_eq!(pool.health(addr(1)), None);
    }

    #[test]
    fn an_unchecked_target_gets_requests_only_when_none_is_healthy() {
        let mut pool = Pool::default();
        pool.route(Listener::Production, &[("g", 1.0)]);
        pool.register("g", addr(1));
        assert_eq!(picked(&mut pool, 1), [1]);
        healthy(&mut pool, "g", 2);
        assert_eq!(picked(&mut pool, 3), [2, 2, 2]);
    }

    #[test]
    fn health_changes_after_as_many_results_as_the_check_says() {
        let check = HealthCheck::quick();
        let mut pool = Pool::default();
        healthy(&mut pool, "g", 1);
        pool.checked_as("g", addr(1), Verdict::Ill, &check);
        assert_eq!(pool.health(addr(1)), Some(Health::Healthy));
        pool.checked_as("g", addr(1), Verdict::Ill, &check);
        assert_eq!(pool.health(addr(1)), Some(Health::Unhealthy));
        pool.checked_as("g", addr(1), Verdict::Well, &check);
        assert_eq!(pool.health(addr(1)), Some(Health::Unhealthy));
        pool.checked_as("g", addr(1), Verdict::Well, &check);
        assert_eq!(pool.health(addr(1)), Some(Health::Healthy));
    }

    #[test]
    fn a_target_that_refused_is_not_tried_again_while_there_is_another() {
        let mut pool = Pool::default();
        pool.route(Listener::Production, &[("g", 1.0)]);
        healthy(&mut pool, "g", 1);
        healthy(&mut pool, "g", 2);
        for _ in 0..4 {
            let (_, other) = pool.pick(Listener::Production, &[addr(1)]).unwrap();
            assert_eq!(other, addr(2));
        }
    }
}
